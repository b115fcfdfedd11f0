using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>The same numbers in another element type.</summary>
internal sealed class CastOperation : Operation
{
    public static readonly CastOperation Instance = new();

    public override string Name => "To";

    public Tensor Apply(Tensor x, ElementType type)
    {
        RequireAlive(Name, x);
        if (x.Type == type)
            return x;
        Tensor y = Allocate(x.Device, x.Shape, type, out Storage storage);
        x.Device.Copy(x.StorageOf(Name), storage);
        return Record(y, default, x);
    }

    public override void PullBack(ref PullBackContext context) => context.Add(0, Apply(context.Adjoint, context.InputType(0)));
}
