namespace GapLab.Models;

/// <summary>What a fully connected decoder's outputs parametrise.</summary>
public enum OutputKind
{
    /// <summary>The logits of independent Bernoulli pixels.</summary>
    Bernoulli,

    /// <summary>The means of independent Gaussians that share one learnt log-variance.</summary>
    Gaussian,
}
