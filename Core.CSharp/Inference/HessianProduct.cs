namespace GapLab.Inference;

/// <summary>How H_λλ v and H_θλ v are computed, the products of second derivatives of an objective f with a direction v of λ.</summary>
public enum HessianProduct
{
    /// <summary>Exactly, by differentiating twice.</summary>
    Exact,

    /// <summary>
    /// (∇f(λ + h v) - ∇f(λ - h v)) / 2h with h = ε ‖λ‖ / ‖v‖, where ‖λ‖ counts as at least that of a λ of ones, and ε is the cube root of the precision of the device's numbers: a relative
    /// error of about 1e-10 in double and 1e-4 in single precision.
    /// </summary>
    Central,

    /// <summary>
    /// (∇f(λ) - ∇f(λ - ε v)) / ε with ε = 1e-5 (Kim et al. 2018, section 3, for -f and the direction -v of its descent). In single precision that is mostly noise: ε v is near the rounding of λ, and the rounding of ∇f is divided by ε.
    /// Measured errors are from 2 % for directions of numbers near 1 to 200 % for numbers near 0.01; clipping to a norm of 5 makes them at most 0.1. Use it in double precision, or to see what it does.
    /// </summary>
    OneSided,

    /// <summary>
    /// The same as the code of Kim et al. 2018 clips it: the gradients at λ - ε v, of λ and θ together, while of those at λ, which they are subtracted from, λ's are clipped block by
    /// block and θ's not at all. Where clipping differs between the two, the difference is of the order of 1 and is divided by ε.
    /// </summary>
    Original,
}
