namespace GapLab.Models;

/// <summary>What a fully connected decoder's outputs parametrise.</summary>
public enum OutputKind
{
    /// <summary>The logits of independent Bernoulli pixels.</summary>
    Bernoulli,

    /// <summary>The means of independent Gaussians, which share one learnt log-variance unless <see cref="GaussianOptions"/> say otherwise.</summary>
    Gaussian,

    /// <summary>The logits of the words of a document, see <see cref="Distributions.Multinomial"/>.</summary>
    Multinomial,
}
