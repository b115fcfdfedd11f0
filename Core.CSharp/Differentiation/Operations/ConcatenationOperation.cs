using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y = [x₀, x₁, ...] along the innermost axis, of at most as many tensors as an operation has inputs.</summary>
internal sealed class ConcatenationOperation : Operation
{
    public static readonly ConcatenationOperation Instance = new();

    public override string Name => "Concatenate";

    public Tensor Apply(ReadOnlySpan<Tensor> parts)
    {
        Tensor first = parts[0];
        int width = 0;
        foreach (Tensor part in parts)
        {
            _ = CommonDevice(Name, first, part);
            _ = CommonType(Name, first, part);
            if (part.Shape.Rank == 0 || part.Shape.Leading != first.Shape.Leading)
                throw new ShapeException($"{Name}: {first.Shape} and {part.Shape} differ in another axis than the innermost.");
            width = checked(width + part.Shape[-1]);
        }
        Tensor y = Allocate(first.Device, first.Shape.With(-1, width), first.Type, out Storage storage);
        int column = 0;
        foreach (Tensor part in parts)
        {
            int count = part.Shape[-1];
            first.Device.CopyColumns(part.StorageOf(Name), count, 0, storage, width, column, first.Shape.Leading.Count, count);
            column += count;
        }
        return Record(y, default, parts);
    }

    public override void PullBack(ref PullBackContext context)
    {
        for (int i = 0, column = 0; i < context.InputCount; i++)
        {
            int count = context.InputShape(i)[-1];
            if (context.Wants(i))
                context.Add(i, context.Adjoint.Columns(column, count));
            column += count;
        }
    }
}
