using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>The same numbers under another shape.</summary>
internal sealed class ReshapeOperation : Operation
{
    public static readonly ReshapeOperation Instance = new();

    public override string Name => "Reshape";

    public Tensor Apply(Tensor x, Shape shape)
    {
        RequireAlive(Name, x);
        if (shape == x.Shape)
            return x;
        if (shape.Count != x.Count)
            throw new ShapeException($"Reshape: {x.Shape} has {x.Count} elements, {shape} has {shape.Count}.");
        return Record(MemoryScope.View(x, shape), default, x);
    }

    /// <summary>The same numbers under the same shape, as a tensor of its own.</summary>
    public Tensor Alias(Tensor x) => Record(MemoryScope.View(x, x.Shape), default, x);

    public override void PullBack(ref PullBackContext context) => context.Add(0, context.Adjoint.Reshape(context.InputShape(0)));
}
