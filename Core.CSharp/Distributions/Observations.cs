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

    /// <summary>The datapoints as vectors of numbers [B, D], which output distributions give probabilities.</summary>
    /// <exception cref="ShapeException">The data are of another kind.</exception>
    public virtual Tensor Values => throw new ShapeException($"Vectors of numbers are needed here, and {GetType().Name} are not.");

    /// <summary>What inference networks read, [B, F]: the values themselves unless another form of the same data suits them better.</summary>
    /// <exception cref="ShapeException">The data have no such form.</exception>
    public virtual Tensor Features => Values;

    /// <summary>About how many numbers a model computes for one sample of a datapoint: by it batches are cut that fit the memory.</summary>
    public virtual int OutputSize => Values.Shape[1];

    /// <summary>Of how many words each datapoint consists, [B]; empty where datapoints do not consist of words.</summary>
    public virtual double[] Lengths => [];

    /// <summary>Other data of the same kind under the same indices, such as data that a model makes.</summary>
    /// <param name="values">[B, D].</param>
    /// <exception cref="ShapeException">Another shape, or data of this kind are no vectors of numbers.</exception>
    public virtual Observations WithValues(Tensor values) => throw new ShapeException($"{GetType().Name} cannot be made of vectors of numbers.");

    /// <summary>Some rows, in the given order, as a batch in the current memory scope.</summary>
    /// <param name="rows">Positions in this batch.</param>
    public abstract Observations Select(ReadOnlySpan<int> rows);

    /// <summary>A copy that belongs to the garbage collector, whatever scope is open.</summary>
    public abstract Observations ToOwned();

    /// <summary>The indices of some rows.</summary>
    protected int[] IndicesOf(ReadOnlySpan<int> rows)
    {
        var selected = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
            selected[i] = Indices.Span[rows[i]];
        return selected;
    }
}
