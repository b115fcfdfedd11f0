namespace GapLab.Inference;

/// <summary>How an iterative inference network is shown a gradient g of the ELBO.</summary>
public enum GradientEncoding
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>[α log(|g| + e), sign(g)]: gradients of any magnitude, twice as many numbers (Marino et al. 2018, appendix B.1).</summary>
    LogSign,

    /// <summary>g itself.</summary>
    Raw,

    /// <summary>g / ‖g‖₂, for each datapoint and block of λ.</summary>
    Normalized,
}
