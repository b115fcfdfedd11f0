using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;

namespace GapLab.Objectives;

/// <summary>
/// The evidence lower bound L = E_q[log p(x, z) - log q(z | x)] ≤ log p(x) in nats, or a weighted form of it, averaged over the samples that
/// its noise makes. Reference: Kingma and Welling 2014; the weights cover KL and entropy annealing and free bits.
/// </summary>
/// <param name="model">p(x, z).</param>
/// <param name="family">The family of q.</param>
/// <param name="x">The batch.</param>
/// <param name="noise">The noise of the samples.</param>
/// <param name="weights">The weights of the terms.</param>
/// <param name="form">How log p(z) and log q are evaluated.</param>
public sealed class ElboObjective(
    GenerativeModel model, VariationalFamily family, Observations x, Noise noise, ObjectiveWeights weights, KlForm form) : IObjective
{
    /// <summary>θ and then the family's shared parameters.</summary>
    public IReadOnlyList<Tensor> Parameters => [.. model.Parameters, .. family.Shared];

    /// <inheritdoc/>
    public Tensor Value(LocalParameters lambda) => Evaluate(lambda).Value;

    /// <summary>The objective with what it was computed from, for those who look at errors as well.</summary>
    /// <param name="lambda">λ.</param>
    public ElboEvaluation Evaluate(LocalParameters lambda)
    {
        PosteriorSample q = family.Sample(lambda, model, noise);
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = model.Factors(q.Latents, x);
        Tensor likelihood = output.LogProb(x).Mean(1) * weights.Likelihood;
        return new ElboEvaluation(likelihood + LatentTerms(q, priors), q, priors, output);
    }

    /// <summary>prior · log p(z) - entropy · log q, [B], or minus the free-bits penalty.</summary>
    private Tensor LatentTerms(PosteriorSample q, IReadOnlyList<LatentDistribution> priors)
    {
        if (form == KlForm.Sampled || q.Conditionals is null)
            return Penalize((GenerativeModel.LogPrior(priors, q.Latents) * weights.Prior - q.LogDensity * weights.Entropy).Mean(1));
        Tensor sum = default;
        for (int level = q.Conditionals.Count - 1; level >= 0; level--)
        {
            DiagonalGaussian conditional = q.Conditionals[level];
            Tensor terms = priors[level] is DiagonalGaussian gaussian
                ? conditional.WeightedTerms(gaussian, weights.Prior, weights.Entropy)
                : priors[level].LogProb(q.Latents[level]) * weights.Prior + conditional.Entropy() * weights.Entropy;
            Tensor term = Penalize(terms.Mean(1));
            sum = sum.IsDefined ? sum + term : term;
        }
        return sum;
    }

    /// <summary>-max(KL, free bits), where the term is -KL.</summary>
    private Tensor Penalize(Tensor term) =>
        // max(KL, f) = KL - min(KL - f, 0).
        weights.FreeBits > 0 ? term + (-term - weights.FreeBits).NegativePart() : term;
}
