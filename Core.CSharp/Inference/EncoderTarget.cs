namespace GapLab.Inference;

/// <summary>What trains the encoder that gives λ_0, where θ is trained at λ_K; λ_K is a constant to it.</summary>
public enum EncoderTarget
{
    /// <summary>There is no encoder: stochastic variational inference, SVI.</summary>
    None,

    /// <summary>ELBO(λ_0): VAE+SVI (Krishnan et al. 2017).</summary>
    Elbo,

    /// <summary>KL(q(λ_0) ‖ q(λ_K)), made small: VAE+SVI+KL (Kim et al. 2018), in the direction that was better there.</summary>
    Divergence,

    /// <summary>KL(q(λ_K) ‖ q(λ_0)), made small.</summary>
    ReverseDivergence,
}
