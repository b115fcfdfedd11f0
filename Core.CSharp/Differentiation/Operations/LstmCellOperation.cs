using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>[h', c'] [N, 2 n] of one step of an LSTM, from its pre-activations [N, 4 n] and c [N, n].</summary>
internal sealed class LstmCellOperation : Operation
{
    public static readonly LstmCellOperation Instance = new();

    public override string Name => "LstmCell";

    public Tensor Apply(Tensor a, Tensor cell)
    {
        Device device = CommonDevice(Name, a, cell);
        ElementType type = CommonType(Name, a, cell);
        if (a.Shape.Rank != 2 || cell.Shape.Rank != 2 || a.Shape != new Shape(cell.Shape[0], 4 * cell.Shape[1]))
            throw new ShapeException($"{Name}: pre-activations {a.Shape} do not fit a cell state {cell.Shape}; give [N, 4 n] and [N, n].");
        int rows = cell.Shape[0], n = cell.Shape[1];
        Tensor y = Allocate(device, new Shape(rows, 2 * n), type, out Storage both);
        Tensor gates = Allocate(device, a.Shape, type, out Storage activations), next = Allocate(device, cell.Shape, type, out Storage memory);
        Tensor hidden = Allocate(device, cell.Shape, type, out Storage state);
        device.Copy(a.StorageOf(Name), activations);
        device.LstmStep(activations, default, 1, default, cell.StorageOf(Name), memory, state, rows, n);
        device.CopyColumns(state, n, 0, both, 2 * n, 0, rows, n);
        device.CopyColumns(memory, n, 0, both, 2 * n, n, rows, n);
        if (MemoryScope.IsRecording)
            MemoryScope.SaveSequence(y, new LstmTape(1, gates, next, hidden));
        return Record(y, default, a, cell);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor a = context.Input(0), cell = context.Input(1);
        int n = cell.Shape[1];
        Tensor hidden = context.Adjoint.Columns(0, n), next = context.Adjoint.Columns(n, n);
        (Tensor dA, Tensor dCell) = context.CreateGraph ? Composite(a, cell, hidden, next) : Fused(cell, hidden, next, context.Sequence);
        if (context.Wants(0))
            context.Add(0, dA);
        if (context.Wants(1))
            context.Add(1, dCell);
    }

    /// <summary>Changes the adjoints of h' and c', which are copies.</summary>
    private (Tensor A, Tensor Cell) Fused(Tensor cell, Tensor hidden, Tensor next, LstmTape tape)
    {
        int rows = cell.Shape[0], n = cell.Shape[1];
        Tensor dA = Allocate(cell.Device, tape.Gates.Shape, cell.Type, out Storage ofA), dCell = Allocate(cell.Device, cell.Shape, cell.Type, out Storage ofCell);
        cell.Device.LstmStepAdjoint(
            tape.Gates.StorageOf(Name), cell.StorageOf(Name), tape.Cells.StorageOf(Name), default, hidden.StorageOf(Name), next.StorageOf(Name), ofA, ofCell, rows, n);
        return (dA, dCell);
    }

    /// <summary>The same in operations that can be differentiated again.</summary>
    private static (Tensor A, Tensor Cell) Composite(Tensor a, Tensor cell, Tensor hidden, Tensor next)
    {
        int n = cell.Shape[1];
        Tensor i = a.Columns(0, n).Sigmoid(), f = a.Columns(n, n).Sigmoid(), g = a.Columns(2 * n, n).Tanh(), o = a.Columns(3 * n, n).Sigmoid();
        Tensor tau = (f * cell + i * g).Tanh(), dc = next + hidden * o * (1 - tau.Square());
        return (Tensor.Concatenate(dc * g * i * (1 - i), dc * cell * f * (1 - f), dc * i * (1 - g.Square()), hidden * tau * o * (1 - o)), dc * f);
    }
}
