using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>Documents as batches of counts [B, V] with the TF-IDF that inference networks read.</summary>
/// <param name="device">Where the batches go.</param>
/// <param name="documents">The documents.</param>
/// <param name="weights">The weight of every word, [V]; see <see cref="CountSet.InverseDocumentFrequencies"/>. Those of the training documents serve for all parts.</param>
public sealed class CountSource(Device device, CountSet documents, double[] weights) : ObservationSource
{
    [ThreadStatic]
    private static float[]? t_buffer;

    private readonly Tensor _weights = Tensor.Create(device, new Shape(weights.Length), weights).ToOwned();

    /// <inheritdoc/>
    public override int Count => documents.Count;

    /// <inheritdoc/>
    public override string Description => $"{documents.Name} (counts of {documents.VocabularySize} words)";

    /// <inheritdoc/>
    public override Observations Batch(ReadOnlySpan<int> indices, int epoch = 0)
    {
        int size = documents.VocabularySize, length = checked(indices.Length * size);
        if (t_buffer is null || t_buffer.Length < length)
            t_buffer = new float[length];
        Span<float> rows = t_buffer.AsSpan(0, length);
        var ids = new int[indices.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            documents.Fill(indices[i], rows.Slice(i * size, size));
            ids[i] = documents.Id(indices[i]);
        }

        return new CountObservations(Tensor.Create(device, new Shape(indices.Length, size), rows), _weights, ids);
    }
}
