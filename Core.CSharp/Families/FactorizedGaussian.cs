using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// FFG, the fully factorised Gaussian: q(z | x) = N(μ, diag σ²) with λ = [μ, log σ²], z = μ + σ ε. It has no shared parameters.
/// </summary>
/// <param name="device">Where.</param>
/// <param name="latentSize">The size n of z.</param>
public sealed class FactorizedGaussian(Device device, int latentSize) : VariationalFamily(new ParameterSet(device))
{
    /// <summary>The choice of this family, for the specification of an experiment.</summary>
    /// <exception cref="ShapeException">When it is built for a model with more than one latent level.</exception>
    public static Component<FamilyContext, VariationalFamily> Choice() => new(
        "ffg", revision: 1, null, context => new FactorizedGaussian(context.Model.Device, context.SingleLatentSize("FFG")));

    /// <inheritdoc/>
    public override string Name => "FFG";

    /// <inheritdoc/>
    public override IReadOnlyList<LocalBlock> LocalBlocks { get; } = [new("mean", latentSize), new("logVariance", latentSize)];

    /// <inheritdoc/>
    public override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        DiagonalGaussian q = Gaussian(lambda);
        Tensor epsilon = noise.Normal(latentSize);
        return new PosteriorSample(new Latents(q.Sample(epsilon)), q.LogProbOfSample(epsilon), [q]);
    }

    /// <inheritdoc/>
    public override Tensor LogDensity(LocalParameters lambda, GenerativeModel model, Latents z) => Gaussian(lambda).LogProb(z[0]);

    /// <inheritdoc/>
    public override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);

    private DiagonalGaussian Gaussian(LocalParameters lambda) =>
        new(lambda[0].Reshape(lambda.Count, 1, latentSize), lambda[1].Reshape(lambda.Count, 1, latentSize));
}
