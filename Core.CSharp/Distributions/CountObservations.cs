using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Documents as bags of words: how often every word of the vocabulary occurs, x [B, V]. Outputs are compared with the counts; inference networks read
/// (x ⊙ w) / ‖x ⊙ w‖₂, the L2-normalised TF-IDF, with w the inverse document frequencies of the training documents.
/// </summary>
/// <remarks>A batch is dense, 8 bytes for each datapoint and word of the vocabulary on a device of float32 numbers (8 MB for 100 documents of 10,000 words); data sets are sparse.</remarks>
public sealed class CountObservations : Observations
{
    /// <summary>Far below the square of any weight, it leaves a document without words at zero.</summary>
    private const double SmallestSquare = 1e-30;

    private readonly Tensor _weights;

    /// <summary>A batch of documents.</summary>
    /// <param name="counts">x [B, V], whole numbers from 0.</param>
    /// <param name="weights">w [V], the weight of each word; see <c>CountSet.InverseDocumentFrequencies</c>.</param>
    /// <param name="indices">The documents' indices; by default 0, 1, ...</param>
    /// <exception cref="ShapeException">Not a matrix, another number of indices than rows, or of weights than columns.</exception>
    public CountObservations(Tensor counts, Tensor weights, ReadOnlyMemory<int>? indices = null)
        : this(counts, weights, FeaturesOf(counts, weights), indices ?? Enumerable.Range(0, counts.Shape[0]).ToArray())
    {
    }

    private CountObservations(Tensor counts, Tensor weights, Tensor features, ReadOnlyMemory<int> indices)
        : base(indices)
    {
        if (Indices.Length != counts.Shape[0])
            throw new ShapeException($"CountObservations: {Indices.Length} indices for counts of shape {counts.Shape}.");
        Values = counts;
        _weights = weights;
        Features = features;
    }

    /// <summary>How often each word occurs, [B, V].</summary>
    public override Tensor Values { get; }

    /// <summary>The L2-normalised TF-IDF, [B, V]; zeros for a document without words.</summary>
    public override Tensor Features { get; }

    /// <inheritdoc/>
    public override double[] Lengths => Values.Sum(1, ElementType.Float64).ToArray();

    /// <inheritdoc/>
    public override Device Device => Values.Device;

    /// <inheritdoc/>
    public override Observations WithValues(Tensor values) => new CountObservations(values, _weights, Indices);

    /// <inheritdoc/>
    public override Observations Select(ReadOnlySpan<int> rows) =>
        new CountObservations(Values.GatherRows(rows), _weights, Features.GatherRows(rows), IndicesOf(rows));

    /// <inheritdoc/>
    public override Observations ToOwned() => new CountObservations(Values.ToOwned(), _weights.ToOwned(), Features.ToOwned(), Indices.ToArray());

    private static Tensor FeaturesOf(Tensor counts, Tensor weights)
    {
        if (counts.Shape.Rank != 2 || weights.Shape != new Shape(counts.Shape[1]))
            throw new ShapeException($"CountObservations: counts of shape {counts.Shape} (documents, words) do not fit weights of shape {weights.Shape} (words).");
        Tensor weighted = counts * weights;
        return weighted * (weighted.Square().Sum(1) + SmallestSquare).Sqrt().Reciprocal().Reshape(counts.Shape[0], 1);
    }
}
