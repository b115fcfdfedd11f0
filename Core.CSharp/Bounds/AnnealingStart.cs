namespace GapLab.Bounds;

/// <summary>Where annealed importance sampling starts on its way to the joint density p(x, z).</summary>
public enum AnnealingStart
{
    /// <summary>At p(z), see <see cref="PriorPath"/>: the estimate does not depend on any encoder.</summary>
    Prior,

    /// <summary>
    /// At the approximate posterior q(z | x), see <see cref="PosteriorPath"/>: a shorter way if q is good. For families that give log q(z | x) of any z.
    /// </summary>
    Posterior,
}
