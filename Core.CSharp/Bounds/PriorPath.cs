using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;

namespace GapLab.Bounds;

/// <summary>f_β(z) = p(z) p(x | z)^β: from the prior, so that the estimate does not depend on any encoder.</summary>
/// <param name="model">p(x, z).</param>
/// <param name="x">One datapoint.</param>
public sealed class PriorPath(GenerativeModel model, Observations x) : AnnealingPath
{
    /// <inheritdoc/>
    public override Latents SampleStart(Noise noise) => model.SamplePrior(noise);

    /// <inheritdoc/>
    public override (Tensor Base, Tensor Slope) Evaluate(Latents z)
    {
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = model.Factors(z, x);
        return (GenerativeModel.LogPrior(priors, z), output.LogProb(x));
    }

    /// <inheritdoc/>
    public override (Tensor Base, Tensor Slope) EvaluateForGradient(Latents z)
    {
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = model.Factors(z, x);
        return (GenerativeModel.LogPrior(priors, z), output.LogProbForGradient(x));
    }
}
