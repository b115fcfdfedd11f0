namespace GapLab.Tensors;

/// <summary>What a fused log-likelihood computes of itself; each part that is not asked for saves time.</summary>
public enum LikelihoodParts
{
    /// <summary>The log-likelihoods.</summary>
    Value,

    /// <summary>What the gradient needs; the log-likelihoods are NaN.</summary>
    Gradient,

    /// <summary>The log-likelihoods, and what their gradient needs.</summary>
    Both,
}
