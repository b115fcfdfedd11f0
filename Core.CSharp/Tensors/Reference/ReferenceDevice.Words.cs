namespace GapLab.Tensors.Reference;

public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void ScatterRows(Storage g, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        y.Doubles.Clear();
        for (int i = 0; i < indices.Length; i++)
            for (int j = 0; j < columns; j++)
                y.Doubles[indices[i] * columns + j] += g.Doubles[i * columns + j];
    }

    /// <inheritdoc/>
    public override void CategoricalLogLikelihood(Storage logits, ReadOnlySpan<int> ids, Storage l, bool residuals, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            Span<double> a = logits.Doubles.Slice(r * columns, columns);
            double max = double.NegativeInfinity, sum = 0;
            foreach (double logit in a)
                max = Math.Max(max, logit);
            foreach (double logit in a)
                sum += Math.Exp(logit - max);
            l.Doubles[r] = a[ids[r]] - max - Math.Log(sum);
            if (!residuals)
                continue;
            for (int v = 0; v < columns; v++)
                a[v] = (v == ids[r] ? 1 : 0) - Math.Exp(a[v] - max) / sum;
        }
    }

    /// <inheritdoc/>
    public override void CategoricalResidualAdjoint(Storage residuals, ReadOnlySpan<int> ids, Storage g, Storage d, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            double mean = 0;
            for (int v = 0; v < columns; v++)
                mean += Probability(r, v, ids) * g.Doubles[r * columns + v];
            for (int v = 0; v < columns; v++)
                d.Doubles[r * columns + v] = -Probability(r, v, ids) * (g.Doubles[r * columns + v] - mean);
        }

        double Probability(int r, int v, ReadOnlySpan<int> ids) => (v == ids[r] ? 1 : 0) - residuals.Doubles[r * columns + v];
    }
}
