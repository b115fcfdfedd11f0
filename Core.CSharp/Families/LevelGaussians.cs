using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// Families without shared parameters in which every latent level is, given those above it, a Gaussian with independent components: q(z | x) = Π_l N(z_l; m_l, diag v_l). λ has a mean μ_l
/// and a log-variance log σ_l² for each level, [μ_1, log σ_1², μ_2, log σ_2², ...] from the level nearest to the data upwards; a family says how they and the levels above make m_l and v_l.
/// </summary>
public abstract class LevelGaussians : VariationalFamily
{
    private readonly int[] _sizes;

    /// <summary>A family on a device.</summary>
    /// <param name="device">Where.</param>
    /// <param name="latentSizes">The size n_l of every level, from the one nearest to the data upwards.</param>
    private protected LevelGaussians(Device device, int[] latentSizes) : base(new ParameterSet(device))
    {
        _sizes = latentSizes;
        LocalBlocks = [.. _sizes.SelectMany((size, level) => (LocalBlock[])[LocalBlock.At(LocalBlock.Mean, size, level), LocalBlock.At(LocalBlock.LogVariance, size, level)])];
    }

    /// <summary>The number of levels, L.</summary>
    protected int Levels => _sizes.Length;

    /// <inheritdoc/>
    public sealed override IReadOnlyList<LocalBlock> LocalBlocks { get; }

    /// <inheritdoc/>
    public sealed override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        var z = new Tensor[Levels];
        var conditionals = new DiagonalGaussian[Levels];
        Tensor logDensity = default;
        for (int level = Levels - 1; level >= 0; level--)
        {
            Tensor epsilon = noise.Normal(_sizes[level], level);
            conditionals[level] = Conditional(lambda, level, model, z[(level + 1)..]);
            z[level] = conditionals[level].Sample(epsilon);
            Tensor term = conditionals[level].LogProbOfSample(epsilon);
            logDensity = logDensity.IsDefined ? logDensity + term : term;
        }
        return new PosteriorSample(new Latents(z), logDensity, conditionals);
    }

    /// <inheritdoc/>
    public sealed override Tensor LogDensity(LocalParameters lambda, GenerativeModel model, Latents z)
    {
        Tensor sum = default;
        for (int level = Levels - 1; level >= 0; level--)
        {
            Tensor term = Conditional(lambda, level, model, [.. z.Levels.Skip(level + 1)]).LogProb(z[level]);
            sum = sum.IsDefined ? sum + term : term;
        }
        return sum;
    }

    /// <inheritdoc/>
    public sealed override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);

    /// <summary>q(z_l | levels above).</summary>
    /// <param name="lambda">λ.</param>
    /// <param name="level">l.</param>
    /// <param name="model">The model.</param>
    /// <param name="above">Samples of the levels above.</param>
    private protected abstract DiagonalGaussian Conditional(LocalParameters lambda, int level, GenerativeModel model, IReadOnlyList<Tensor> above);

    /// <summary>N(μ_l, diag σ_l²), with λ's own numbers, for every datapoint.</summary>
    private protected DiagonalGaussian Own(LocalParameters lambda, int level)
    {
        int size = _sizes[level];
        return new(lambda[2 * level].Reshape(lambda.Count, 1, size), lambda[2 * level + 1].Reshape(lambda.Count, 1, size));
    }
}
