using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y = x[..., first .. first + count]: some neighbouring columns.</summary>
internal sealed class ColumnsOperation : Operation
{
    public static readonly ColumnsOperation Instance = new();

    public override string Name => "Columns";

    public Tensor Apply(Tensor x, int first, int count)
    {
        RequireAlive(Name, x);
        if (x.Shape.Rank == 0 || first < 0 || count < 1 || first > x.Shape[-1] - count)
            throw new ShapeException($"{Name}: {x.Shape} has no columns {first} to {first + count - 1L}.");
        if (count == x.Shape[-1])
            return x;
        Tensor y = Allocate(x.Device, x.Shape.With(-1, count), x.Type, out Storage storage);
        x.Device.CopyColumns(x.StorageOf(Name), x.Shape[-1], first, storage, count, 0, x.Shape.Leading.Count, count);
        return Record(y, new OperationAttributes(I: first), x);
    }

    public override void PullBack(ref PullBackContext context) =>
        context.Add(0, PlacedColumnsOperation.Instance.Apply(context.Adjoint, context.Attributes.I, context.InputShape(0)[-1]));
}
