using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Independent Bernoulli pixels given by their logits a: log p(x) = Σ_d x_d a_d - max(a_d, 0) - log(1 + e^-|a_d|), which neither
/// overflows nor needs a clamp.
/// </summary>
/// <param name="logits">a [B, S, D].</param>
public sealed class Bernoulli(Tensor logits) : OutputDistribution
{
    /// <summary>The logits a [B, S, D].</summary>
    public Tensor Logits { get; } = logits;

    /// <summary>The probabilities of a one, sigmoid(a).</summary>
    public override Tensor Mean => Logits.Sigmoid();

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x)
    {
        Tensor values = ValuesOf(x);
        return Logits.BernoulliLogLikelihood(values.Reshape(values.Shape[0], values.Shape[2]));
    }

    /// <summary>(x - μ) / (μ (1 - μ)).</summary>
    /// <param name="x">The observed batch.</param>
    public override Tensor Error(Observations x)
    {
        Tensor mean = Mean;
        return (ValuesOf(x) - mean) / (mean * (1 - mean));
    }

    /// <inheritdoc/>
    public override Tensor Sample(RandomStream stream)
    {
        double[] mean = Mean.ToArray();
        var uniform = new float[mean.Length];
        stream.FillUniform(uniform);
        for (int i = 0; i < mean.Length; i++)
            mean[i] = uniform[i] < mean[i] ? 1 : 0;
        return Tensor.Create(Logits.Device, Logits.Shape, mean);
    }
}
