using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>x as the columns from some place on of a wider tensor that is zero elsewhere: the adjoint of <see cref="ColumnsOperation"/>, whose adjoint that is.</summary>
internal sealed class PlacedColumnsOperation : Operation
{
    public static readonly PlacedColumnsOperation Instance = new();

    public override string Name => "PlacedColumns";

    public Tensor Apply(Tensor x, int first, int width)
    {
        RequireAlive(Name, x);
        int count = x.Shape[-1];
        Tensor y = Allocate(x.Device, x.Shape.With(-1, width), x.Type, out Storage storage);
        x.Device.Fill(storage, 0);
        x.Device.CopyColumns(x.StorageOf(Name), count, 0, storage, width, first, x.Shape.Leading.Count, count);
        return Record(y, new OperationAttributes(I: first), x);
    }

    public override void PullBack(ref PullBackContext context) =>
        context.Add(0, context.Adjoint.Columns(context.Attributes.I, context.InputShape(0)[-1]));
}
