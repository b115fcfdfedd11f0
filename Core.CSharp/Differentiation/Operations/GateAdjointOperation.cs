using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>d = [g σ(b) (1 - tanh² a), g tanh(a) σ(b) (1 - σ(b))] for the halves a and b of x [..., 2 n] and g [..., n]: the adjoint of <see cref="GateOperation"/>.</summary>
internal sealed class GateAdjointOperation : Operation
{
    public static readonly GateAdjointOperation Instance = new();

    public override string Name => "GateAdjoint";

    public Tensor Apply(Tensor x, Tensor g)
    {
        Tensor d = Allocate(x.Device, x.Shape, x.Type, out Storage storage);
        x.Device.GateAdjoint(x.StorageOf(Name), g.StorageOf(Name), storage, x.Shape.Leading.Count, g.Shape[-1]);
        return Record(d, default, x, g);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor x = context.Input(0), g = context.Input(1), h = context.Adjoint;
        (Tensor dX, Tensor dG) = context.CreateGraph ? Composite(x, g, h) : Fused(x, g, h);
        if (context.Wants(0))
            context.Add(0, dX);
        if (context.Wants(1))
            context.Add(1, dG);
    }

    private (Tensor X, Tensor G) Fused(Tensor x, Tensor g, Tensor h)
    {
        Tensor dX = Allocate(x.Device, x.Shape, x.Type, out Storage ofX), dG = Allocate(x.Device, g.Shape, x.Type, out Storage ofG);
        x.Device.GateSecondAdjoint(x.StorageOf(Name), g.StorageOf(Name), h.StorageOf(Name), ofX, ofG, x.Shape.Leading.Count, g.Shape[-1]);
        return (dX, dG);
    }

    /// <summary>The same in operations that can be differentiated again.</summary>
    private static (Tensor X, Tensor G) Composite(Tensor x, Tensor g, Tensor h)
    {
        int size = g.Shape[-1];
        Tensor t = x.Columns(0, size).Tanh(), s = x.Columns(size, size).Sigmoid(), h1 = h.Columns(0, size), h2 = h.Columns(size, size);
        Tensor u = 1 - t.Square(), rest = 1 - s;
        Tensor a = g * u * s * (rest * h2 - 2 * t * h1), b = g * s * rest * (u * h1 + t * (1 - 2 * s) * h2);
        return (Tensor.Concatenate(a, b), s * (u * h1 + t * rest * h2));
    }
}
