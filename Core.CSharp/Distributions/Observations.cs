using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>A batch of observed data x, one row a datapoint, each with its index in the data set.</summary>
/// <param name="indices">The index of every row's datapoint: it keys the datapoint's random numbers.</param>
public abstract class Observations(ReadOnlyMemory<int> indices)
{
    /// <summary>The index of every row's datapoint in its data set.</summary>
    public ReadOnlyMemory<int> Indices { get; } = indices;

    /// <summary>The number of datapoints, B.</summary>
    public int Count => Indices.Length;

    /// <summary>The device that holds the data.</summary>
    public abstract Device Device { get; }

    /// <summary>Some rows, in the given order, as a batch in the current memory scope.</summary>
    /// <param name="rows">Positions in this batch.</param>
    public abstract Observations Select(ReadOnlySpan<int> rows);

    /// <summary>The indices of some rows.</summary>
    protected int[] IndicesOf(ReadOnlySpan<int> rows)
    {
        var selected = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
            selected[i] = Indices.Span[rows[i]];
        return selected;
    }
}
