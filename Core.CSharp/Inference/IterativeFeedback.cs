using GapLab.Differentiation;

namespace GapLab.Inference;

/// <summary>What one evaluation of the ELBO tells an iterative inference network.</summary>
/// <param name="Value">The ELBO, [B].</param>
/// <param name="Gradients">Each datapoint's ∂L/∂λ, one tensor for each block; none where the network does not see them.</param>
/// <param name="BottomUp">The error of the data [B, D]; undefined where the network does not see it.</param>
/// <param name="TopDown">The error of the latent variables [B, n]; undefined where the network does not see it.</param>
internal readonly record struct IterativeFeedback(Tensor Value, Tensor[] Gradients, Tensor BottomUp, Tensor TopDown);
