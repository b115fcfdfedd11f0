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

    public override void PullBack(ref PullBackContext context) =>
        context.Add(0, context.CreateGraph ? Composite(context.Input(0), context.Adjoint) : Fused(context.Input(0), context.Adjoint));

    private Tensor Fused(Tensor x, Tensor g)
    {
        Tensor d = Allocate(x.Device, x.Shape, x.Type, out Storage storage);
        x.Device.GateAdjoint(x.StorageOf(Name), g.StorageOf(Name), storage, x.Shape.Leading.Count, g.Shape[-1]);
        return d;
    }

    /// <summary>The same in operations that can be differentiated again. Halves are taken out, and put together, by factors of 1 and 0.</summary>
    private static Tensor Composite(Tensor x, Tensor g)
    {
        int rows = x.Shape.Leading.Count, size = g.Shape[-1];
        Tensor first = Tensor.Create(x.Device, new Shape(1, 2, 1), 1, 0), second = Tensor.Create(x.Device, new Shape(1, 2, 1), 0, 1);
        Tensor halves = x.Reshape(rows, 2, size);
        Tensor t = (halves * first).Sum(1).Tanh(), s = (halves * second).Sum(1).Sigmoid();
        g = g.Reshape(rows, size);
        Tensor a = g * s * (1 - t.Square()), b = g * t * s * (1 - s);
        return (a.Reshape(rows, 1, size) * first + b.Reshape(rows, 1, size) * second).Reshape(x.Shape);
    }
}
