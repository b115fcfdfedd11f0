using GapLab.Distributions;
using GapLab.Tensors;

namespace GapLab.Data.Text;

/// <summary>Sentences as batches of words. Those of a training step are equally long, so that nothing is computed behind their ends.</summary>
/// <param name="device">Where models compute with the batches.</param>
/// <param name="sentences">The sentences.</param>
public sealed class SentenceSource(Device device, SentenceSet sentences) : ObservationSource
{
    /// <inheritdoc/>
    public override int Count => sentences.Count;

    /// <inheritdoc/>
    public override string Description => $"{sentences.Name} (sentences of {sentences.VocabularySize} words)";

    /// <inheritdoc/>
    public override Observations Batch(ReadOnlySpan<int> indices, int epoch = 0)
    {
        var words = new ReadOnlyMemory<int>[indices.Length];
        var ids = new int[indices.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            words[i] = sentences.Words(indices[i]);
            ids[i] = sentences.Id(indices[i]);
        }
        return new TokenObservations(device, words, ids);
    }

    /// <summary>
    /// The batches of an epoch: sentences of the same length, at most as many as asked for, drawn anew and visited in random order (Kim et al. 2018).
    /// </summary>
    /// <param name="batchSize">How many at most.</param>
    /// <param name="stream">The source of the order.</param>
    public override IReadOnlyList<int[]> Batches(int batchSize, RandomStream stream)
    {
        int[] order = [.. Enumerable.Range(0, Count)];
        stream.Shuffle(order);
        int[][] batches = [.. order.GroupBy(index => sentences.Words(index).Length).OrderBy(group => group.Key).SelectMany(group => group.Chunk(batchSize))];
        int[] visits = [.. Enumerable.Range(0, batches.Length)];
        stream.Fork(1).Shuffle(visits);
        return [.. visits.Select(i => batches[i])];
    }

    /// <summary>The words of a batch.</summary>
    /// <param name="indices">Its sentences.</param>
    public override int SizeOf(ReadOnlySpan<int> indices)
    {
        int words = 0;
        foreach (int index in indices)
            words += sentences.Words(index).Length;
        return words;
    }
}
