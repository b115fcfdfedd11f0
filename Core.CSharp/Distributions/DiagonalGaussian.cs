using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// N(μ, diag σ²) given by μ and log σ²: log N(z) = -½ Σ_j [log 2π + log σ_j² + (z_j - μ_j)² / σ_j²].
/// </summary>
public sealed class DiagonalGaussian : LatentDistribution
{
    /// <summary>log 2π.</summary>
    public const double LogTwoPi = ScalarFunctions.LogTwoPi;

    private readonly bool _isStandard;

    /// <summary>A Gaussian with independent components.</summary>
    /// <param name="mean">μ, of a shape that broadcasts to [B, S, n]; [B, 1, n] for one Gaussian a datapoint.</param>
    /// <param name="logVariance">log σ², likewise.</param>
    public DiagonalGaussian(Tensor mean, Tensor logVariance)
    {
        // The analytic terms sum over the components of either, so both must have all of them.
        int size = Math.Max(mean.Shape[-1], logVariance.Shape[-1]);
        Mean = mean.BroadcastTo(mean.Shape.With(-1, size));
        LogVariance = logVariance.BroadcastTo(logVariance.Shape.With(-1, size));
    }

    private DiagonalGaussian(Device device, int size)
        : this(Tensor.Filled(device, new Shape(size), 0), Tensor.Filled(device, new Shape(size), 0)) => _isStandard = true;

    /// <summary>μ.</summary>
    public Tensor Mean { get; }

    /// <summary>log σ².</summary>
    public Tensor LogVariance { get; }

    /// <summary>N(0, I).</summary>
    /// <param name="device">Where.</param>
    /// <param name="size">The number of components.</param>
    public static DiagonalGaussian Standard(Device device, int size) => new(device, size);

    /// <inheritdoc/>
    public override Tensor LogProb(Tensor z)
    {
        Tensor terms = _isStandard
            ? z.Square()
            : LogVariance + (z - Mean).Square() * (-LogVariance).Exp();
        return terms.Sum(-1, ElementType.Float64).Affine(-0.5, -0.5 * z.Shape[-1] * LogTwoPi);
    }

    /// <summary>z = μ + σ ε, differentiable with respect to μ and log σ².</summary>
    /// <param name="epsilon">Standard normals [B, S, n].</param>
    public override Tensor Sample(Tensor epsilon)
    {
        if (_isStandard)
            return epsilon;
        return IsOnePerDatapoint && epsilon.Shape.Rank == 3 && epsilon.Shape[0] == Mean.Shape[0]
            ? Flat(Mean).GaussianSample(Flat(LogVariance), epsilon)
            : Mean + (0.5 * LogVariance).Exp() * epsilon;
    }

    /// <summary>log N(z) at z = μ + σ ε, from ε: -½ Σ_j [log 2π + log σ_j² + ε_j²]. Exactly what the density gives, without the cancellation.</summary>
    /// <param name="epsilon">The standard normals that made z, [B, S, n].</param>
    public Tensor LogProbOfSample(Tensor epsilon) =>
        (LogVariance + epsilon.Square()).Sum(-1, ElementType.Float64).Affine(-0.5, -0.5 * epsilon.Shape[-1] * LogTwoPi);

    /// <summary>The entropy -E[log N] = ½ Σ_j [1 + log 2π + log σ_j²] in nats, float64: the shape of log σ² without its innermost axis.</summary>
    public Tensor Entropy() =>
        LogVariance.Sum(-1, ElementType.Float64).Affine(0.5, 0.5 * LogVariance.Shape[-1] * (1 + LogTwoPi));

    /// <summary>
    /// E_this[log p(z)] for another Gaussian p: -½ Σ_j [log 2π + log v_j + (σ_j² + (μ_j - m_j)²) / v_j], float64. With <see cref="Entropy"/>
    /// it makes KL(this ‖ p) = -Entropy - ExpectedLogProb; see also <see cref="WeightedTerms"/>.
    /// </summary>
    /// <param name="p">The other Gaussian, with mean m and variance v.</param>
    public Tensor ExpectedLogProb(DiagonalGaussian p)
    {
        Tensor variance = LogVariance.Exp();
        Tensor terms = p._isStandard
            ? variance + Mean.Square()
            : p.LogVariance + (variance + (Mean - p.Mean).Square()) * (-p.LogVariance).Exp();
        return terms.Sum(-1, ElementType.Float64).Affine(-0.5, -0.5 * LogVariance.Shape[-1] * LogTwoPi);
    }

    /// <summary>
    /// prior · E_this[log p(z)] + entropy · H[this] in nats, float64; with both weights 1, -KL(this ‖ p). In one pass where p is N(0, I).
    /// </summary>
    /// <param name="p">The other Gaussian.</param>
    /// <param name="prior">The weight of E[log p].</param>
    /// <param name="entropy">The weight of the entropy.</param>
    /// <returns>The shape of log σ² without its innermost axis, broadcast with p's.</returns>
    public Tensor WeightedTerms(DiagonalGaussian p, double prior, double entropy) => p._isStandard && IsOnePerDatapoint
        ? Flat(Mean).StandardGaussianTerms(Flat(LogVariance), prior, entropy).Reshape(LogVariance.Shape.Leading)
        : ExpectedLogProb(p) * prior + Entropy() * entropy;

    /// <summary>Whether μ and log σ² are [B, 1, n].</summary>
    private bool IsOnePerDatapoint => Mean.Shape.Rank == 3 && Mean.Shape[1] == 1 && LogVariance.Shape == Mean.Shape;

    private static Tensor Flat(Tensor parameter) => parameter.Reshape(parameter.Shape[0], parameter.Shape[2]);
}
