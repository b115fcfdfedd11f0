using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// The words of a document of known length N, drawn independently with probabilities π = softmax(a): log p(x) = Σ_v x_v log π_v for counts x, with log π_v = a_v - m - log Σ_u e^(a_u - m)
/// and m the largest logit, so that nothing overflows.
/// </summary>
/// <remarks>
/// It is the probability of the words in their order. That of the counts alone has the factor N! / Π_v x_v! besides, which is left out: no parameter changes it, and perplexity, the
/// inverse probability of a word, is defined without it.
/// </remarks>
public sealed class Multinomial : OutputDistribution
{
    private readonly Tensor _logits;
    private readonly Tensor _lengths;
    private Tensor _logProbabilities;

    /// <summary>Documents with given logits.</summary>
    /// <param name="logits">a [B, S, V].</param>
    /// <param name="lengths">N [B], the number of words of each document: what the mean and samples depend on, and the density does not.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public Multinomial(Tensor logits, Tensor lengths)
    {
        if (logits.Shape.Rank != 3 || lengths.Shape != new Shape(logits.Shape[0]))
            throw new ShapeException($"Multinomial: lengths of shape {lengths.Shape} do not fit logits of shape {logits.Shape} (documents, samples, words).");
        _logits = logits;
        _lengths = lengths;
    }

    /// <summary>log π, [B, S, V].</summary>
    public Tensor LogProbabilities => _logProbabilities.IsDefined ? _logProbabilities : _logProbabilities = Shifted() - Normalizer(Shifted());

    /// <summary>N π, the expected counts, [B, S, V].</summary>
    public override Tensor Mean => LogProbabilities.Exp() * _lengths.Reshape(_lengths.Count, 1, 1);

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x)
    {
        Tensor counts = ValuesOf(x, _logits.Shape), shifted = Shifted();
        // Σ_v x_v (a_v - m) - N log Σ_u e^(a_u - m): one number a document and sample is subtracted, not one a word.
        Tensor normalizer = Normalizer(shifted).To(ElementType.Float64).Reshape(_logits.Shape.Leading);
        return (counts * shifted).Sum(-1, ElementType.Float64) - counts.Sum(-1, ElementType.Float64) * normalizer;
    }

    /// <summary>
    /// (x - N π) / (N π) = x / (N π) - 1, with 1 / π bounded by e^80: the derivative of log p(x | z) with respect to the mean where the means of all words may vary freely and π is
    /// their share in the sum.
    /// </summary>
    /// <param name="x">The observed batch.</param>
    public override Tensor Error(Observations x)
    {
        Tensor rareness = ((-LogProbabilities - 80).NegativePart() + 80).Exp();
        // A document without words has no counts to divide.
        Tensor share = (_lengths + (1 - _lengths) * (_lengths - 0.5).IsNegative()).Reciprocal().Reshape(_lengths.Count, 1, 1);
        return ValuesOf(x, _logits.Shape) * share * rareness - 1;
    }

    /// <inheritdoc/>
    public override Tensor Sample(RandomStream stream)
    {
        double[] cumulative = LogProbabilities.Exp().ToArray(), lengths = _lengths.ToArray();
        int samples = _logits.Shape[1], words = _logits.Shape[2];
        var counts = new double[cumulative.Length];
        long drawn = 0;
        for (int row = 0; row < _logits.Shape[0] * samples; row++)
        {
            Span<double> sums = cumulative.AsSpan(row * words, words);
            for (int v = 1; v < words; v++)
                sums[v] += sums[v - 1];
            var uniform = new float[(int)lengths[row / samples]];
            stream.FillUniform(uniform, drawn);
            drawn += uniform.Length;
            foreach (float u in uniform)
            {
                // The first word whose sum exceeds the uniform number; never one of probability 0.
                int word = 0;
                for (int last = words - 1; word < last;)
                {
                    int middle = (word + last) / 2;
                    (word, last) = sums[middle] > u * sums[^1] ? (word, middle) : (middle + 1, last);
                }
                counts[row * words + word]++;
            }
        }
        return Tensor.Create(_logits.Device, _logits.Shape, counts);
    }

    /// <summary>a - m; since log π does not depend on m, neither does its derivative.</summary>
    private Tensor Shifted() => _logits - _logits.Max(-1).Reshape(_logits.Shape.With(-1, 1));

    /// <summary>log Σ_u e^(a_u - m), [B, S, 1].</summary>
    private static Tensor Normalizer(Tensor shifted) => shifted.Exp().Sum(-1).Log().Reshape(shifted.Shape.With(-1, 1));
}
