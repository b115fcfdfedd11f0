namespace GapLab.Objectives;

/// <summary>How the terms log p(z) and log q(z | x) of an objective are evaluated. Both are unbiased.</summary>
public enum KlForm
{
    /// <summary>At the samples, as in E[log p(x, z) - log q(z | x)].</summary>
    Sampled,

    /// <summary>By their expectation given the levels above where q and the prior are Gaussian: less noise; at the samples elsewhere.</summary>
    Analytic,
}
