using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Independent Bernoulli pixels given by their logits a: log p(x) = Σ_d x_d a_d - max(a_d, 0) - log(1 + e^-|a_d|), which neither
/// overflows nor needs a clamp.
/// </summary>
public sealed class Bernoulli : OutputDistribution
{
    private readonly Tensor _features;
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private Tensor _logits;

    /// <summary>Pixels with given logits.</summary>
    /// <param name="logits">a [B, S, D].</param>
    public Bernoulli(Tensor logits) => _logits = logits;

    /// <summary>Pixels whose logits are a last linear layer, a = h Wᵀ + b: their log-likelihood is then computed along with them.</summary>
    /// <param name="features">h [B, S, k].</param>
    /// <param name="weight">W [D, k].</param>
    /// <param name="bias">b [D].</param>
    public Bernoulli(Tensor features, Tensor weight, Tensor bias)
    {
        _features = features;
        _weight = weight;
        _bias = bias;
    }

    /// <summary>The logits a [B, S, D].</summary>
    public Tensor Logits => _logits.IsDefined ? _logits : _logits = _features.Linear(_weight, _bias);

    /// <summary>The probabilities of a one, sigmoid(a).</summary>
    public override Tensor Mean => Logits.Sigmoid();

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x) => LogProb(x, gradientOnly: false);

    /// <inheritdoc/>
    public override Tensor LogProbForGradient(Observations x) => LogProb(x, gradientOnly: true);

    private Tensor LogProb(Observations x, bool gradientOnly)
    {
        Tensor values = ValuesOf(x, _logits.IsDefined ? _logits.Shape : _features.Shape.With(-1, _weight.Shape[0]));
        values = values.Reshape(values.Shape[0], values.Shape[2]);
        return _logits.IsDefined
            ? _logits.BernoulliLogLikelihood(values)
            : _features.LinearBernoulliLogLikelihood(_weight, _bias, values, gradientOnly);
    }

    /// <summary>(x - μ) / (μ (1 - μ)) = x (1 + e^-a) - (1 - x) (1 + e^a), with exponents bounded at 80, where the likelihood of the pixel is below 1e-34.</summary>
    /// <param name="x">The observed batch.</param>
    public override Tensor Error(Observations x)
    {
        Tensor values = ValuesOf(x, Logits.Shape);
        return values * (1 + BoundedExp(-Logits)) - (1 - values) * (1 + BoundedExp(Logits));
    }

    /// <summary>e^min(u, 80): finite, so that a factor of 0 makes it 0.</summary>
    private static Tensor BoundedExp(Tensor u) => ((u - 80).NegativePart() + 80).Exp();

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
