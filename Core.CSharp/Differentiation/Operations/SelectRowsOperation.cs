using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[r, :] = mask[r] ≠ 0 ? a[r, :] : b[r, :].</summary>
internal sealed class SelectRowsOperation : Operation
{
    public static readonly SelectRowsOperation Instance = new();

    public override string Name => "SelectRows";

    public Tensor Apply(Tensor mask, Tensor a, Tensor b)
    {
        RequireAlive(Name, mask);
        Device device = CommonDevice(Name, a, b);
        ElementType type = CommonType(Name, a, b);
        if (a.Shape != b.Shape || a.Shape.Rank == 0 || mask.Shape != a.Shape.Leading)
            throw new ShapeException($"SelectRows: a mask of shape {mask.Shape} does not choose between rows of {a.Shape} and {b.Shape}.");
        Tensor y = Allocate(device, a.Shape, type, out Storage storage);
        device.SelectRows(mask.StorageOf(Name), a.StorageOf(Name), b.StorageOf(Name), storage, mask.Count, a.Shape[-1]);
        return Record(y, default, mask, a, b);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint, mask = context.Input(0);
        Tensor zero = Tensor.Filled(g.Device, g.Shape, 0, g.Type);
        if (context.Wants(1))
            context.Add(1, Apply(mask, g, zero));
        if (context.Wants(2))
            context.Add(2, Apply(mask, zero, g));
    }
}
