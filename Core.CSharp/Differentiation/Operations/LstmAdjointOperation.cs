using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// The adjoints ā_1 ... ā_T [T R, 4 n] of the pre-activations of <see cref="LstmOperation"/> for adjoints g of its states: all that its gradients need. Their own adjoint along E is, since second derivatives are
/// symmetric, their derivative when the pre-activations move along E: one pass forwards for the states, one backwards for their adjoints.
/// </summary>
internal sealed class LstmAdjointOperation : Operation
{
    public static readonly LstmAdjointOperation Instance = new();

    public override string Name => "LstmAdjoint";

    public Tensor Apply(Tensor g, Tensor weight, Tensor first, Tensor inputs, Tensor shift, LstmTape tape)
    {
        Device device = g.Device;
        int steps = tape.Steps, rows = first.Shape[0], n = first.Shape[1], state = rows * n;
        weight.Pack();
        Tensor d = Allocate(device, tape.Gates.Shape, g.Type, out Storage adjoints);
        Tensor hidden = Allocate(device, g.Shape, g.Type, out Storage dHidden), cells = Allocate(device, tape.Cells.Shape, g.Type, out Storage dCells);
        device.Fill(dHidden.Slice((steps - 1) * state, state), 0);
        device.Fill(dCells.Slice(steps * state, state), 0);
        Storage gates = tape.Gates.StorageOf(Name), memory = tape.Cells.StorageOf(Name), given = g.StorageOf(Name);
        for (int t = steps - 1; t >= 0; t--)
        {
            if (t < steps - 1)
                device.MatrixProduct(adjoints.Slice((t + 1) * 4 * state, 4 * state), false, weight.StorageOf(Name), false, weight.Packed, dHidden.Slice(t * state, state), rows, n, 4 * n);
            device.LstmStepAdjoint(
                gates.Slice(t * 4 * state, 4 * state), memory.Slice(t * state, state), memory.Slice((t + 1) * state, state), given.Slice(t * state, state),
                dHidden.Slice(t * state, state), dCells.Slice((t + 1) * state, state), adjoints.Slice(t * 4 * state, 4 * state), dCells.Slice(t * state, state), rows, n);
        }
        MemoryScope.SaveSequence(d, tape with { HiddenAdjoints = hidden, CellAdjoints = cells });
        return shift.IsDefined ? Record(d, default, g, weight, first, inputs, shift) : Record(d, default, g, weight, first, inputs);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor weight = context.Input(1), first = context.Input(2), inputs = context.Input(3), shift = context.InputCount > 4 ? context.Input(4) : default;
        LstmTape tape = context.Sequence;
        (Tensor hidden, Tensor d) = context.CreateGraph
            ? LstmTangents.Composite(context.Adjoint, context.Input(0), weight, LstmTangents.PreActivations(inputs, shift, weight, first, tape), context.Output, tape.Steps)
            : Fused(context.Adjoint, weight, tape);
        if (context.Wants(0))
            context.Add(0, hidden);
        if (context.Wants(1))
        {
            Tensor zero = Tensor.Filled(first.Device, first.Shape, 0, first.Type);
            context.Add(1, d.MatMul(LstmOperation.Before(first, tape.Hidden), transposeThis: true) + context.Output.MatMul(LstmOperation.Before(zero, hidden), transposeThis: true));
        }
        if (context.Wants(2))
            context.Add(2, LstmOperation.Step(d, 0, tape.Steps).MatMul(weight));
        if (context.Wants(3))
            context.Add(3, LstmOperation.SumOverSamples(d, inputs.Shape));
        if (shift.IsDefined && context.Wants(4))
            context.Add(4, LstmOperation.SumOverSteps(d, tape.Steps));
    }

    /// <summary>The derivatives of the states and of the adjoints ā along E.</summary>
    private (Tensor Hidden, Tensor Adjoints) Fused(Tensor along, Tensor weight, LstmTape tape)
    {
        Device device = along.Device;
        int steps = tape.Steps, n = tape.Hidden.Shape[1], rows = tape.Hidden.Shape[0] / steps, state = rows * n;
        weight.Pack();
        Tensor d = Allocate(device, along.Shape, along.Type, out Storage tdGates);
        Tensor hidden = Allocate(device, tape.Hidden.Shape, along.Type, out Storage tHidden);
        _ = Allocate(device, along.Shape, along.Type, out Storage tGates);
        _ = Allocate(device, tape.Cells.Shape, along.Type, out Storage tCells);
        _ = Allocate(device, new Shape(3 * state), along.Type, out Storage carried);
        Storage gates = tape.Gates.StorageOf(Name), memory = tape.Cells.StorageOf(Name), direction = along.StorageOf(Name);
        Storage dHidden = tape.HiddenAdjoints.StorageOf(Name), dCells = tape.CellAdjoints.StorageOf(Name), tdHidden = carried.Slice(2 * state, state);
        Storage Wide(Storage all, int t) => all.Slice(t * 4 * state, 4 * state);
        Storage At(Storage all, int t) => all.Slice(t * state, state);
        device.Fill(Wide(tGates, 0), 0);
        device.Fill(At(tCells, 0), 0);
        for (int t = 0; t < steps; t++)
        {
            if (t > 0)
                device.MatrixProduct(At(tHidden, t - 1), false, weight.StorageOf(Name), true, weight.Packed, Wide(tGates, t), rows, 4 * n, n);
            device.LstmStepTangent(Wide(gates, t), At(memory, t), At(memory, t + 1), Wide(direction, t), Wide(tGates, t), At(tCells, t), At(tCells, t + 1), At(tHidden, t), rows, n);
        }
        device.Fill(carried, 0);
        for (int t = steps - 1; t >= 0; t--)
        {
            if (t < steps - 1)
                device.MatrixProduct(Wide(tdGates, t + 1), false, weight.StorageOf(Name), false, weight.Packed, tdHidden, rows, n, 4 * n);
            device.LstmStepAdjointTangent(
                Wide(gates, t), At(memory, t), At(memory, t + 1), At(dHidden, t), At(dCells, t + 1), Wide(tGates, t), At(tCells, t), At(tCells, t + 1),
                tdHidden, At(carried, (t + 1) % 2), Wide(tdGates, t), At(carried, t % 2), rows, n);
        }
        return (hidden, d);
    }
}
