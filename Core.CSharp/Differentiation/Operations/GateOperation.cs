using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[..., j] = tanh(x[..., j]) σ(x[..., n + j]) for x [..., 2 n].</summary>
internal sealed class GateOperation : Operation
{
    public static readonly GateOperation Instance = new();

    public override string Name => "Gate";

    public Tensor Apply(Tensor x)
    {
        RequireAlive(Name, x);
        if (x.Shape.Rank == 0 || x.Shape[-1] % 2 != 0)
            throw new ShapeException($"{Name}: the innermost axis of {x.Shape} has no two halves; give it an even size.");
        int size = x.Shape[-1] / 2;
        Tensor y = Allocate(x.Device, x.Shape.With(-1, size), x.Type, out Storage storage);
        x.Device.Gate(x.StorageOf(Name), storage, x.Shape.Leading.Count, size);
        return Record(y, default, x);
    }

    public override void PullBack(ref PullBackContext context) => context.Add(0, GateAdjointOperation.Instance.Apply(context.Input(0), context.Adjoint));
}
