using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Sentences whose words are predicted one after the other: log p(x | z) = Σ_t log softmax(W h_t + b)_{x_t}, with features h_t of the words before. Since h_t belongs to the sentences that it was computed from, the
/// distribution gives probabilities of those.
/// </summary>
/// <param name="features">h_t of all positions t, [T B S, k], those of the first position first.</param>
/// <param name="positions">T.</param>
/// <param name="weight">W [V, k].</param>
/// <param name="bias">b [V].</param>
/// <param name="samples">S, samples for each sentence that the features have rows for.</param>
/// <param name="equalSamples">For models without latent variables, whose samples are all the same: how many there are for each of those.</param>
public sealed class TokenSequence(Tensor features, int positions, Tensor weight, Tensor bias, int samples, int equalSamples = 1) : OutputDistribution
{
    /// <summary>Words have no mean: asking for one is refused.</summary>
    /// <exception cref="GapLabException">Always.</exception>
    public override Tensor Mean => throw new GapLabException("The words of a sentence are no numbers and have no mean; look at their probabilities, or sample sentences.");

    /// <inheritdoc/>
    /// <exception cref="ShapeException">The data are no sentences, or others than the features were computed from.</exception>
    public override Tensor LogProb(Observations x)
    {
        Tensor sums = WordLogProbs(x).Sum(0);
        return equalSamples == 1 ? sums : sums.BroadcastTo(new Shape(x.Count, equalSamples));
    }

    /// <summary>log p(x_t | x_1 ... x_{t-1}, z) in nats, [T, B, S] float64; 0 behind the end of a sentence.</summary>
    /// <param name="x">The sentences that the features were computed from.</param>
    /// <exception cref="ShapeException">The data are no sentences, or others than the features were computed from.</exception>
    public Tensor WordLogProbs(Observations x)
    {
        TokenObservations text = TokenObservations.Of(x, "TokenSequence");
        int rows = text.Count * samples;
        if (positions != text.Longest || features.Shape[0] != positions * rows)
            throw new ShapeException($"TokenSequence: features of {positions} positions and {features.Shape[0] / positions} rows do not fit {text.Count} sentences of up to {text.Longest} words with {samples} samples.");
        int[] words = text.ByPosition();
        if (samples > 1)
            words = [.. words.SelectMany(word => Enumerable.Repeat(word, samples))];
        Tensor logProbs = features.LinearCategoricalLogLikelihood(weight, bias, words).Reshape(positions, text.Count, samples);
        return text.IsEven ? logProbs : logProbs * Tensor.Create(x.Device, new Shape(positions, text.Count, 1), text.Presence()).To(ElementType.Float64);
    }

    /// <summary>Words have no error: asking for one is refused.</summary>
    /// <param name="x">The observed batch.</param>
    /// <exception cref="GapLabException">Always.</exception>
    public override Tensor Error(Observations x) => throw new GapLabException("The words of a sentence are no numbers and have no errors; let inference see gradients instead.");

    /// <summary>Words depend on the words before them and cannot be drawn at once: asking for it is refused.</summary>
    /// <param name="stream">The source of randomness.</param>
    /// <exception cref="GapLabException">Always.</exception>
    public override Tensor Sample(RandomStream stream) => throw new GapLabException("The words of a sentence depend on the words before them and cannot be drawn at once; sample sentences from the model.");
}
