using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[o, i] = Σ_r x[o, r, i] under a given result shape.</summary>
internal sealed class SumOperation : Operation
{
    public static readonly SumOperation Instance = new();

    public override string Name => "Sum";

    public Tensor Apply(Tensor x, int outer, int reduced, int inner, Shape shape, ElementType type)
    {
        RequireAlive(Name, x);
        // A device of float64 numbers has no other type to store a sum in.
        Tensor y = Allocate(x.Device, shape, x.Type == ElementType.Float64 ? ElementType.Float64 : type, out Storage storage);
        x.Device.Reduce(Reduction.Sum, x.StorageOf(Name), outer, reduced, inner, storage);
        return Record(y, new OperationAttributes(I: outer, J: reduced, K: inner), x);
    }

    public override void PullBack(ref PullBackContext context)
    {
        (_, _, int outer, int reduced, int inner) = context.Attributes;
        Tensor g = context.Adjoint.To(context.InputType(0)).Reshape(outer, 1, inner);
        context.Add(0, g.BroadcastTo(new Shape(outer, reduced, inner)).Reshape(context.InputShape(0)));
    }
}
