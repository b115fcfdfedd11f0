using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[v, :] = Σ g[i, :] over the i with id_i = v: the adjoint of <see cref="EmbeddingOperation"/>.</summary>
internal sealed class EmbeddingAdjointOperation : Operation
{
    public static readonly EmbeddingAdjointOperation Instance = new();

    public override string Name => "EmbedAdjoint";

    public Tensor Apply(Tensor g, ReadOnlyMemory<int> ids, int rows)
    {
        Tensor y = Allocate(g.Device, g.Shape.With(0, rows), g.Type, out Storage storage);
        g.Device.ScatterRows(g.StorageOf(Name), ids.Span, g.Shape[1], storage);
        MemoryScope.SaveRows(y, ids);
        return Record(y, default, g);
    }

    public override void PullBack(ref PullBackContext context) => context.Add(0, EmbeddingOperation.Instance.Apply(context.Adjoint, context.Rows));
}
