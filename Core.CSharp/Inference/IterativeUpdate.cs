namespace GapLab.Inference;

/// <summary>How an iterative inference network's outputs f make the next λ.</summary>
public enum IterativeUpdate
{
    /// <summary>λ' = g ⊙ λ + (1 - g) ⊙ f, with a gate g between 0 and 1 that the network gives as well (Marino et al. 2018, equation 62).</summary>
    Gated,

    /// <summary>λ' = λ + f (Andrychowicz et al. 2016).</summary>
    Residual,

    /// <summary>λ' = f, as standard inference networks do.</summary>
    Direct,
}
