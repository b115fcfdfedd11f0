using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>Independent Gaussian outputs: log p(x) = -½ Σ_d [log 2π + log σ_d² + (x_d - μ_d)² / σ_d²].</summary>
/// <param name="mean">μ [B, S, D].</param>
/// <param name="logVariance">log σ², of a shape that broadcasts to [B, S, D]: one number, one for each dimension, or one for each output.</param>
public sealed class GaussianOutput(Tensor mean, Tensor logVariance) : OutputDistribution
{
    private readonly DiagonalGaussian _gaussian = new(mean, logVariance);

    /// <inheritdoc/>
    public override Tensor Mean { get; } = mean;

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x) => _gaussian.LogProb(ValuesOf(x, Mean.Shape));

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
