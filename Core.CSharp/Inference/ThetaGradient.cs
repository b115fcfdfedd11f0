namespace GapLab.Inference;

/// <summary>Which ELBO of an iterative inference trace trains the generative model.</summary>
public enum ThetaGradient
{
    /// <summary>That after the last iteration.</summary>
    LastIteration,

    /// <summary>The average of those after each iteration.</summary>
    Average,
}
