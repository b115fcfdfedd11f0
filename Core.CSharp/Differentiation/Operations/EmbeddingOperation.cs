using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[i, :] = x[id_i, :]: chosen rows of a table.</summary>
internal sealed class EmbeddingOperation : Operation
{
    public static readonly EmbeddingOperation Instance = new();

    public override string Name => "Embed";

    public Tensor Apply(Tensor x, ReadOnlyMemory<int> ids)
    {
        RequireAlive(Name, x);
        if (x.Shape.Rank != 2)
            throw new ShapeException($"{Name}: {x.Shape} is no table of rows.");
        RequireRows(Name, ids.Span, x.Shape[0]);
        Tensor y = Allocate(x.Device, new Shape(ids.Length, x.Shape[1]), x.Type, out Storage storage);
        x.Device.GatherRows(x.StorageOf(Name), ids.Span, x.Shape[1], storage);
        MemoryScope.SaveRows(y, ids);
        return Record(y, default, x);
    }

    public override void PullBack(ref PullBackContext context) =>
        context.Add(0, EmbeddingAdjointOperation.Instance.Apply(context.Adjoint, context.Rows, context.InputShape(0)[0]));

    /// <summary>Throws unless all ids are rows of a table.</summary>
    /// <exception cref="ShapeException">Names the first that is none, and its position.</exception>
    public static void RequireRows(string name, ReadOnlySpan<int> ids, int count)
    {
        int at = ids.IndexOfAnyExceptInRange(0, count - 1);
        if (at >= 0)
            throw new ShapeException($"{name}: id {ids[at]} at position {at} (from 0) is outside 0 to {count - 1}.");
    }
}
