using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// FFG, the fully factorised Gaussian: q(z | x) = N(μ, diag σ²) with λ = [μ, log σ²], z = μ + σ ε. For a hierarchy it is independent over levels as well: q(z | x) = Π_l N(z_l; μ_l, diag σ_l²).
/// It has no shared parameters.
/// </summary>
/// <param name="device">Where.</param>
/// <param name="latentSize">The size n_1 of the level nearest to the data.</param>
/// <param name="above">For a hierarchy, the sizes of the levels above it, upwards.</param>
public sealed class FactorizedGaussian(Device device, int latentSize, params int[] above) : LevelGaussians(device, [latentSize, .. above])
{
    /// <summary>The choice of this family, for the specification of an experiment; it takes the model's levels.</summary>
    public static Component<FamilyContext, VariationalFamily> Choice() => new(
        "ffg", revision: 1, null, context => new FactorizedGaussian(context.Model.Device, context.Model.LatentSizes[0], [.. context.Model.LatentSizes.Skip(1)]));

    /// <inheritdoc/>
    public override string Name => "FFG";

    /// <summary>
    /// For a hierarchy: N(0, I) at the top and, below, the mean and the log-variance of the prior given the levels above, averaged over samples of those (Marino et al. 2018).
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="noise">The noise of the samples.</param>
    public override LocalParameters PriorLocalParameters(GenerativeModel model, Noise noise)
    {
        LocalParameters start = InitialLocalParameters(noise.Datapoints.Length);
        if (Levels == 1)
            return start;
        Tensor[] blocks = [.. start.Blocks];
        Latents z = model.SamplePrior(noise);
        IReadOnlyList<LatentDistribution> priors = model.Priors(z);
        for (int level = 0; level < Levels - 1; level++)
        {
            // Other priors have no such parameters; there q starts at N(0, I).
            if (priors[level] is not DiagonalGaussian prior)
                continue;
            blocks[2 * level] = prior.Mean.BroadcastTo(z[level].Shape).Mean(1);
            blocks[2 * level + 1] = prior.LogVariance.BroadcastTo(z[level].Shape).Mean(1);
        }
        return new LocalParameters(blocks);
    }

    /// <summary>KL(q(z; λ) ‖ q(z; λ')) = ½ Σ_j [log(σ'² / σ²) + (σ² + (μ - μ')²) / σ'² - 1], exactly.</summary>
    /// <inheritdoc/>
    public override Tensor Divergence(LocalParameters from, LocalParameters to, GenerativeModel model, Noise noise)
    {
        Tensor sum = default;
        for (int level = 0; level < Levels; level++)
        {
            Tensor term = Own(from, level).WeightedTerms(Own(to, level), 1, 1);
            sum = sum.IsDefined ? sum + term : term;
        }
        return -sum.Reshape(from.Count);
    }

    private protected override DiagonalGaussian Conditional(LocalParameters lambda, int level, GenerativeModel model, IReadOnlyList<Tensor> above) => Own(lambda, level);
}
