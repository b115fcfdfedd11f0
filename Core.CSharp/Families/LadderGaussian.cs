using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// The approximate posterior of the ladder VAE (Sønderby et al. 2016): λ = [μ_l, log σ_l²] are messages about z_l from below, and sampling downwards combines each with the prior given the
/// samples above, weighted by their precisions:
/// <code>
/// q(z_L) = N(μ_L, σ_L²),  q(z_l | z_{l+1}, ...) = N(μ_p + w (μ_l - μ_p), (1 / σ_l² + 1 / σ_p²)^-1),  w = σ_l^-2 / (σ_l^-2 + σ_p^-2)
/// </code>
/// The top level's message is q itself. Levels depend on each other through the model, so q can have correlations that <see cref="FactorizedGaussian"/> has not; with one level the two
/// are the same. No shared parameters.
/// </summary>
/// <remarks>The prior below the top must be Gaussian. Local optimisation starts at messages N(0, I), which together with the prior make a q narrower than either.</remarks>
/// <param name="device">Where.</param>
/// <param name="latentSize">The size n_1 of the level nearest to the data.</param>
/// <param name="above">For a hierarchy, the sizes of the levels above it, upwards.</param>
public sealed class LadderGaussian(Device device, int latentSize, params int[] above) : LevelGaussians(device, [latentSize, .. above])
{
    /// <summary>log σ² of a message that says next to nothing: a thousandth of the precision of N(0, 1).</summary>
    private const double VagueLogVariance = 7;

    /// <summary>The choice of this family, for the specification of an experiment; it takes the model's levels.</summary>
    public static Component<FamilyContext, VariationalFamily> Choice() => new(
        "ladder", revision: 1, null, context => new LadderGaussian(context.Model.Device, context.Model.LatentSizes[0], [.. context.Model.LatentSizes.Skip(1)]));

    /// <inheritdoc/>
    public override string Name => "ladder";

    /// <summary>N(0, I) at the top and, below, messages of variance e^7, which leave q close to the prior.</summary>
    /// <param name="model">The model.</param>
    /// <param name="noise">The noise, whose datapoints are counted.</param>
    public override LocalParameters PriorLocalParameters(GenerativeModel model, Noise noise)
    {
        Tensor[] blocks = [.. InitialLocalParameters(noise.Datapoints.Length).Blocks];
        for (int level = 0; level < Levels - 1; level++)
            blocks[2 * level + 1] = Tensor.Filled(model.Device, blocks[2 * level + 1].Shape, VagueLogVariance);
        return new LocalParameters(blocks);
    }

    private protected override DiagonalGaussian Conditional(LocalParameters lambda, int level, GenerativeModel model, IReadOnlyList<Tensor> above)
    {
        DiagonalGaussian message = Own(lambda, level);
        if (level == Levels - 1)
            return message;
        if (model.Prior(level, above) is not DiagonalGaussian prior)
            throw new GapLabException($"The family {Name} combines its messages with Gaussian priors; level {level} of {model.Name} has another prior.");
        // log (σ_p² / σ_l²): the ratio of the precisions, from which neither weight nor variance can overflow.
        Tensor ratio = prior.LogVariance - message.LogVariance;
        return new DiagonalGaussian(prior.Mean + ratio.Sigmoid() * (message.Mean - prior.Mean), prior.LogVariance - ratio.Softplus());
    }
}
