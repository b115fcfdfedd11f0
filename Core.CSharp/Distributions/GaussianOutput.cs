using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>Independent Gaussian outputs: log p(x) = -½ Σ_d [log 2π + log σ_d² + (x_d - μ_d)² / σ_d²].</summary>
/// <remarks>
/// Pixels k of L levels become real numbers x = (k + u) / L with u uniform on [0, 1). The density of k + u is that of x divided by L in each dimension, and its logarithm, on average over u, is at most the logarithm
/// of its integral over u, the probability of k (Theis, van den Oord and Bethge 2016). So with <paramref name="levels"/> = L, log p(x) - D log L is a lower bound, on average, of the log-probability of the pixels.
/// </remarks>
/// <param name="mean">μ [B, S, D].</param>
/// <param name="logVariance">log σ², of a shape that broadcasts to [B, S, D]: one number, one for each dimension, or one for each output.</param>
/// <param name="levels">L, for pixels with uniform noise; 1 for data that are real numbers.</param>
public sealed class GaussianOutput(Tensor mean, Tensor logVariance, int levels = 1) : OutputDistribution
{
    private readonly DiagonalGaussian _gaussian = new(mean, logVariance);

    /// <inheritdoc/>
    public override Tensor Mean { get; } = mean;

    /// <summary>Whether the variances are not those of single outputs.</summary>
    public override bool DependsOnMeanOnly => logVariance.Shape != Mean.Shape;

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x)
    {
        Tensor density = _gaussian.LogProb(ValuesOf(x, Mean.Shape));
        return levels == 1 ? density : density - Mean.Shape[-1] * Math.Log(levels);
    }

    /// <summary>(x - μ) / σ².</summary>
    /// <param name="x">The observed batch.</param>
    public override Tensor Error(Observations x) => (ValuesOf(x, Mean.Shape) - Mean) * (-logVariance).Exp();

    /// <inheritdoc/>
    public override Tensor Sample(RandomStream stream)
    {
        var epsilon = new float[Mean.Count];
        stream.FillNormal(epsilon);
        return _gaussian.Sample(Tensor.Create(Mean.Device, Mean.Shape, epsilon));
    }
}
