using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>Data that are vectors of numbers, x [B, D]: pixels in [0, 1], or real values.</summary>
public sealed class DenseObservations : Observations
{
    /// <summary>A batch of vectors.</summary>
    /// <param name="values">[B, D].</param>
    /// <param name="indices">The datapoints' indices; by default 0, 1, ...</param>
    /// <exception cref="ShapeException">Not a matrix, or another number of indices than rows.</exception>
    public DenseObservations(Tensor values, ReadOnlyMemory<int>? indices = null)
        : base(indices ?? Enumerable.Range(0, RowsOf(values)).ToArray())
    {
        if (Indices.Length != RowsOf(values))
            throw new ShapeException($"DenseObservations: {Indices.Length} indices for data of shape {values.Shape}.");
        Values = values;
    }

    /// <summary>The data, [B, D].</summary>
    public override Tensor Values { get; }

    /// <inheritdoc/>
    public override Device Device => Values.Device;

    /// <inheritdoc/>
    public override Observations Select(ReadOnlySpan<int> rows) => new DenseObservations(Values.GatherRows(rows), IndicesOf(rows));

    /// <inheritdoc/>
    public override Observations WithValues(Tensor values) => new DenseObservations(values, Indices);

    /// <inheritdoc/>
    public override Observations ToOwned() => new DenseObservations(Values.ToOwned(), Indices.ToArray());

    private static int RowsOf(Tensor values) => values.Shape.Rank == 2
        ? values.Shape[0]
        : throw new ShapeException($"DenseObservations: the data must be a matrix (datapoints, dimensions), not {values.Shape}.");
}
