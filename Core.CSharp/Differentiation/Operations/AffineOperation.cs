using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y = scale · x + shift.</summary>
internal sealed class AffineOperation : Operation
{
    public static readonly AffineOperation Instance = new();

    public override string Name => "Affine";

    public Tensor Apply(Tensor x, double scale, double shift)
    {
        RequireAlive(Name, x);
        Tensor y = Allocate(x.Device, x.Shape, x.Type, out Storage storage);
        x.Device.Affine(x.StorageOf(Name), scale, shift, storage);
        return Record(y, new OperationAttributes(A: scale), x);
    }

    public override void PullBack(ref PullBackContext context)
    {
        double scale = context.Attributes.A;
        context.Add(0, scale == 1 ? context.Adjoint : context.Adjoint * scale);
    }
}
