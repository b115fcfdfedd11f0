using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>d = -p (g - Σ p g), row by row, for the probabilities p of residuals R: what an adjoint of <see cref="CategoricalResidualOperation"/> is for the logits. It is linear in g and its own adjoint.</summary>
internal sealed class CategoricalResidualAdjointOperation : Operation
{
    public static readonly CategoricalResidualAdjointOperation Instance = new();

    public override string Name => "CategoricalResidualAdjoint";

    public Tensor Apply(Tensor residual, Tensor g, ReadOnlyMemory<int> ids)
    {
        Tensor d = Allocate(g.Device, g.Shape, g.Type, out Storage storage);
        g.Device.CategoricalResidualAdjoint(residual.StorageOf(Name), ids.Span, g.StorageOf(Name), storage, g.Shape[0], g.Shape[1]);
        MemoryScope.SaveRows(d, ids);
        return Record(d, default, residual, g);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor residual = context.Input(0), g = context.Input(1), h = context.Adjoint;
        ReadOnlyMemory<int> ids = context.Rows;
        if (context.Wants(0))
            context.Add(0, h * (g - Mean(residual, g, ids)) - g * Mean(residual, h, ids));
        if (context.Wants(1))
            context.Add(1, Apply(residual, h, ids));
    }

    /// <summary>Σ_v p x of every row, [rows, 1]: the word's x minus Σ_v R x.</summary>
    private static Tensor Mean(Tensor residual, Tensor x, ReadOnlyMemory<int> ids)
    {
        int rows = x.Shape[0], columns = x.Shape[1];
        var places = new int[rows];
        for (int r = 0; r < rows; r++)
            places[r] = r * columns + ids.Span[r];
        return x.Reshape(rows * columns, 1).Embed(places) - (residual * x).Sum(-1).Reshape(rows, 1);
    }
}
