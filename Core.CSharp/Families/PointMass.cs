using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// A point, q(z | x) = δ(z - μ) with λ = [μ]. Its entropy is minus infinity, so the bound leaves it out: what is raised is log p(x | μ) + log p(μ), the logarithm of the posterior
/// up to a constant, and its maximum is the most probable z. That is no bound on log p(x), and is not to be compared with one.
/// </summary>
/// <param name="device">Where.</param>
/// <param name="latentSize">The size n of z.</param>
public sealed class PointMass(Device device, int latentSize) : VariationalFamily(new ParameterSet(device))
{
    /// <summary>The choice of this family, for the specification of an experiment.</summary>
    /// <exception cref="ShapeException">When it is built for a model with more than one latent level.</exception>
    public static Component<FamilyContext, VariationalFamily> Choice() => new(
        "point-mass", revision: 1, null, context => new PointMass(context.Model.Device, context.SingleLatentSize("point mass")));

    /// <inheritdoc/>
    public override string Name => "point mass";

    /// <inheritdoc/>
    public override IReadOnlyList<LocalBlock> LocalBlocks { get; } = [new("mean", latentSize)];

    /// <summary>μ, as often as samples are asked for, with 0 in place of log q.</summary>
    /// <param name="lambda">μ.</param>
    /// <param name="model">Not used.</param>
    /// <param name="noise">Only its number of samples is used.</param>
    public override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        Tensor mean = lambda[0].Reshape(lambda.Count, 1, latentSize);
        Tensor z = noise.Samples == 1 ? mean : mean + Tensor.Filled(mean.Device, new Shape(lambda.Count, noise.Samples, latentSize), 0);
        return new PosteriorSample(new Latents(z), Tensor.Filled(mean.Device, new Shape(lambda.Count, noise.Samples), 0, ElementType.Float64), null);
    }

    /// <inheritdoc/>
    public override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);
}
