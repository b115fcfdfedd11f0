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

    /// <summary>The batches of an epoch: all datapoints in random order, unless the data are of a kind that is better put together otherwise. Their number is the same in every epoch.</summary>
    /// <param name="batchSize">Datapoints in a batch; a last one may have fewer.</param>
    /// <param name="stream">The source of the order.</param>
    public virtual IReadOnlyList<int[]> Batches(int batchSize, RandomStream stream)
    {
        int[] order = [.. Enumerable.Range(0, Count)];
        stream.Shuffle(order);
        return [.. order.Chunk(batchSize)];
    }

    /// <summary>How much work a batch is beside other batches of these data: its datapoints, unless those differ in size.</summary>
    /// <param name="indices">The datapoints of the batch.</param>
    public virtual int SizeOf(ReadOnlySpan<int> indices) => indices.Length;

    /// <summary>
    /// A random subset as one batch, for evaluation: the same for every experiment on these data, and contained in every larger one. Files may be
    /// sorted (the test images of binarized MNIST are, by class), so the first datapoints would not stand for the rest.
    /// </summary>
    /// <param name="count">How many.</param>
    /// <exception cref="DataException">There are fewer.</exception>
    public Observations Subset(int count) => Batch(SubsetOrder(count));

    /// <summary>Which datapoints <see cref="Subset"/> takes, in its order.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="DataException">There are fewer.</exception>
    public int[] SubsetOrder(int count)
    {
        if (count < 1)
            throw new DataException($"A subset of {Description} must have at least 1 datapoint, not {count}.");
        if (count > Count)
            throw new DataException($"{Description} has {Count} datapoints, not {count}; ask for fewer.");
        int[] order = [.. Enumerable.Range(0, Count)];
        new RandomStream(0, RandomPurpose.Split).Shuffle(order);
        return order[..count];
    }
}
