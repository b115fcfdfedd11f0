using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;

namespace GapLab.Bounds;

/// <summary>
/// f_β(z) = q(z | x)^(1 - β) p(x, z)^β: from an approximate posterior. If q is the exact one, every f_β is proportional to it and every weight is p(x). What q misses
/// must be found by the moves: a q much narrower than the posterior, or on one of several modes, can make a worse start than the prior.
/// </summary>
/// <param name="model">p(x, z).</param>
/// <param name="family">The family of q; it must give <see cref="VariationalFamily.LogDensity"/>.</param>
/// <param name="x">One datapoint.</param>
/// <param name="lambda">Its λ.</param>
public sealed class PosteriorPath(GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda) : AnnealingPath
{
    /// <inheritdoc/>
    public override Latents SampleStart(Noise noise) => family.Sample(lambda, model, noise).Latents;

    /// <inheritdoc/>
    public override (Tensor Base, Tensor Slope) Evaluate(Latents z)
    {
        Tensor logQ = family.LogDensity(lambda, model, z);
        return (logQ, model.LogJoint(x, z) - logQ);
    }

    /// <inheritdoc/>
    public override (Tensor Base, Tensor Slope) EvaluateForGradient(Latents z)
    {
        Tensor logQ = family.LogDensity(lambda, model, z);
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = model.Factors(z, x);
        return (logQ, output.LogProbForGradient(x) + GenerativeModel.LogPrior(priors, z) - logQ);
    }
}
