using GapLab.Distributions;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>Where training and evaluation get their batches from.</summary>
public abstract class ObservationSource
{
    /// <summary>The number of datapoints.</summary>
    public abstract int Count { get; }

    /// <summary>What the numbers are, in one line for provenance.</summary>
    public abstract string Description { get; }

    /// <summary>A batch, in the current memory scope.</summary>
    /// <param name="indices">Which datapoints.</param>
    /// <param name="epoch">The epoch, for data that are sampled anew each time.</param>
    public abstract Observations Batch(ReadOnlySpan<int> indices, int epoch = 0);

    /// <summary>The first datapoints as one batch.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="DataException">There are fewer.</exception>
    public Observations First(int count) => count <= Count
        ? Batch(Enumerable.Range(0, count).ToArray())
        : throw new DataException($"{Description} has {Count} datapoints, not {count}; ask for fewer.");
}
