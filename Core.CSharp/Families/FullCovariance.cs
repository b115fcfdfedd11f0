using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// Gaussians with any covariance: q(z | x) = N(μ, L Lᵀ), z = μ + L ε, with L lower triangular and L_jj = exp(d_j) > 0 (Cremer et al. 2018,
/// section 6.7, which leaves open how the diagonal is kept positive).
/// log q(z) = -n/2 log 2π - Σ_j d_j - ½ |ε|². λ = [μ, d, A], where A is a whole n x n matrix by rows of which L's entries below the diagonal are
/// read. No shared parameters.
/// </summary>
/// <remarks>
/// The entries of A on and above the diagonal mean nothing: their gradient is zero. They let products read L where it lies. The KL terms are
/// sampled: at q = p(z | x) the log-weights log p(x, z) - log q(z) are all equal to log p(x), so that the sampled form has no noise where
/// optimisation ends, which the analytic one has.
/// </remarks>
public sealed class FullCovariance : VariationalFamily
{
    private readonly int _size;
    private readonly Tensor _belowDiagonal;

    /// <summary>The family on a device.</summary>
    /// <param name="device">Where.</param>
    /// <param name="latentSize">The size n of z.</param>
    public FullCovariance(Device device, int latentSize) : base(new ParameterSet(device))
    {
        _size = latentSize;
        LocalBlocks = [new("mean", latentSize), new("logScale", latentSize), new("lowerTriangle", latentSize * latentSize)];
        var mask = new double[latentSize * latentSize];
        for (int row = 0; row < latentSize; row++)
            mask.AsSpan(row * latentSize, row).Fill(1);
        _belowDiagonal = Tensor.Create(device, new Shape(latentSize * latentSize), mask).ToOwned();
    }

    /// <summary>The choice of this family, for the specification of an experiment.</summary>
    /// <exception cref="ShapeException">When it is built for a model with more than one latent level.</exception>
    public static Component<FamilyContext, VariationalFamily> Choice() => new(
        "full-covariance", revision: 1, null,
        context => new FullCovariance(context.Model.Device, context.SingleLatentSize("of full covariances")));

    /// <inheritdoc/>
    public override string Name => "full covariance";

    /// <inheritdoc/>
    public override IReadOnlyList<LocalBlock> LocalBlocks { get; }

    /// <inheritdoc/>
    public override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        int b = lambda.Count, n = _size;
        Tensor epsilon = noise.Normal(n);
        // The diagonal's part of the sample and of the density are those of independent components with variances L_jj².
        var diagonal = new DiagonalGaussian(lambda[0].Reshape(b, 1, n), (2 * lambda[1]).Reshape(b, 1, n));
        Tensor z = diagonal.Sample(epsilon) + Correlate(lambda[2] * _belowDiagonal, epsilon);
        return new PosteriorSample(new Latents(z), diagonal.LogProbOfSample(epsilon), null);
    }

    /// <inheritdoc/>
    public override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);

    /// <summary>The part of L ε below the diagonal, [B, S, n].</summary>
    private Tensor Correlate(Tensor below, Tensor epsilon)
    {
        int b = below.Shape[0], s = epsilon.Shape[1], n = _size;
        // One datapoint with many samples is a product of matrices; many datapoints have a matrix each.
        return b == 1
            ? epsilon.Reshape(s, n).MatMul(below.Reshape(n, n), transposeOther: true).Reshape(1, s, n)
            : (epsilon.Reshape(b, s, 1, n) * below.Reshape(b, 1, n, n)).Sum(-1);
    }
}
