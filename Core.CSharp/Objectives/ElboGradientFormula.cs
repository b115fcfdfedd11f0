using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Objectives;

/// <summary>
/// The gradients of the ELBO with respect to μ and σ² of a factorised Gaussian q as the formulas of "Learning to Infer" (2018) state them,
/// equations (56)-(59), for one latent level with a Gaussian prior N(μ_p, σ_p²) and an output with errors e_x:
/// <code>
/// e_z  = (z - μ_p) / σ_p²,  z = μ + σ ε
/// ∂L/∂μ  = E_ε[Jᵀ e_x - e_z]
/// ∂L/∂σ² = E_ε[ε / (2σ) (Jᵀ e_x - e_z)] + 1 / (2σ²)
/// </code>
/// where J is the Jacobian of the output's mean with respect to z. The last term is printed with a minus sign in places of the paper; its own
/// derivation, and the gradient of the entropy, give plus. The variance of a Gaussian output must not depend on z.
/// </summary>
public static class ElboGradientFormula
{
    /// <summary>The two gradients of every datapoint, averaged over the samples; λ is [μ, log σ²].</summary>
    /// <param name="model">A model with one latent level and Gaussian prior.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">μ and log σ², [B, n] each.</param>
    /// <param name="noise">The noise of the samples.</param>
    /// <returns>∂L/∂μ, ∂L/∂σ² and ∂L/∂log σ² = σ² ∂L/∂σ², [B, n] each.</returns>
    /// <exception cref="GapLabException">The prior is not Gaussian.</exception>
    public static (Tensor Mean, Tensor Variance, Tensor LogVariance) Evaluate(
        GenerativeModel model, Observations x, LocalParameters lambda, Noise noise)
    {
        int b = lambda.Count, n = lambda[0].Shape[1];
        if (model.LatentSizes.Count != 1 || model.Prior(0, []) is not DiagonalGaussian prior)
            throw new GapLabException("ElboGradientFormula: the formulas are for one latent level with a Gaussian prior.");
        Tensor sigma = (0.5 * lambda[1]).Exp().Reshape(b, 1, n);
        Tensor epsilon = noise.Normal(n);
        Tensor z = lambda[0].Reshape(b, 1, n) + sigma * epsilon;
        OutputDistribution output = model.Output(new Latents(z), x);
        Tensor bottomUp = Gradient.Of(output.Mean, z, seed: output.Error(x));
        Tensor topDown = (z - prior.Mean) * (-prior.LogVariance).Exp();
        Tensor error = bottomUp - topDown;
        Tensor variance = lambda[1].Exp();
        Tensor mean = error.Mean(1);
        Tensor byVariance = (error * epsilon / (2 * sigma)).Mean(1) + (2 * variance).Reciprocal();
        return (mean, byVariance, variance * byVariance);
    }
}
