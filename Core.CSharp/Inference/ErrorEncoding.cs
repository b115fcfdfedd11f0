namespace GapLab.Inference;

/// <summary>How an iterative inference network is shown the errors of the present samples, averaged over them.</summary>
public enum ErrorEncoding
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>x - E[x | z] and z - μ_p: without their variances, as where those are global constants.</summary>
    Plain,

    /// <summary>(x - E[x | z]) / Var[x | z] and (z - μ_p) / σ_p²: the errors that enter the gradients (Marino et al. 2018, equations 10 and 11).</summary>
    Weighted,
}
