using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>Repeats axes of size 1 and missing outer axes.</summary>
internal sealed class BroadcastOperation : Operation
{
    public static readonly BroadcastOperation Instance = new();

    public override string Name => "BroadcastTo";

    public Tensor Apply(Tensor x, Shape shape)
    {
        RequireAlive(Name, x);
        if (shape == x.Shape)
            return x;
        if (x.Shape.Rank > shape.Rank || Shape.Broadcast(Name, x.Shape, shape) != shape)
            throw new ShapeException($"BroadcastTo: {x.Shape} cannot be repeated to {shape}.");
        Tensor y = Allocate(x.Device, shape, x.Type, out Storage storage);
        x.Device.Broadcast(x.StorageOf(Name), x.Shape, storage, shape);
        return Record(y, default, x);
    }

    public override void PullBack(ref PullBackContext context) => context.Add(0, context.Adjoint.SumTo(context.InputShape(0)));
}
