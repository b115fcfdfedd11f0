using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Objectives;

/// <summary>
/// The gradients of the ELBO with respect to μ and σ² of a factorised Gaussian q as the formulas of Marino et al. 2018 state them, equations (56)-(59) for one latent level and (60)-(61)
/// for a hierarchy z_L → ... → z_1 → x of Gaussian priors N(μ_{l,p}, σ_{l,p}²) and an output with errors e_x:
/// <code>
/// e_l  = (z_l - μ_{l,p}) / σ_{l,p}²,  z_l = μ_l + σ_l ε_l
/// b_l  = Σ_{k&lt;l} (∂μ_{k,p} / ∂z_l)ᵀ e_k + (∂μ_x / ∂z_l)ᵀ e_x
/// ∂L/∂μ_l  = E_ε[b_l - e_l]
/// ∂L/∂σ_l² = E_ε[ε_l / (2 σ_l) (b_l - e_l)] + 1 / (2 σ_l²)
/// </code>
/// b_l is the bottom-up error, of the level below and, through deterministic units, of those further down; e_l the top-down error. The last term is printed with a minus sign in places of the
/// paper; its own derivation, and the gradient of the entropy, give plus. The variances of the priors and of a Gaussian output must not depend on z: then there are further terms.
/// </summary>
public static class ElboGradientFormula
{
    /// <summary>The gradients of every datapoint for a model with one level, averaged over the samples; λ is [μ, log σ²].</summary>
    /// <param name="model">A model with one latent level and Gaussian prior.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">μ and log σ², [B, n] each.</param>
    /// <param name="noise">The noise of the samples.</param>
    /// <returns>∂L/∂μ, ∂L/∂σ² and ∂L/∂log σ² = σ² ∂L/∂σ², [B, n] each.</returns>
    /// <exception cref="GapLabException">The model has more levels, or its prior is not Gaussian.</exception>
    public static (Tensor Mean, Tensor Variance, Tensor LogVariance) Evaluate(
        GenerativeModel model, Observations x, LocalParameters lambda, Noise noise) => model.LatentSizes.Count == 1
        ? EvaluateLevels(model, x, lambda, noise)[0]
        : throw new GapLabException("ElboGradientFormula: Evaluate is for one latent level; EvaluateLevels gives the gradients of a hierarchy.");

    /// <summary>The gradients of every datapoint, averaged over the samples, for each level; λ is [μ, log σ²] of one level after the other, from the one nearest to the data upwards.</summary>
    /// <param name="model">A model with Gaussian priors whose variances are constants.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">μ_l and log σ_l² of every level, [B, n_l] each.</param>
    /// <param name="noise">The noise of the samples.</param>
    /// <returns>∂L/∂μ_l, ∂L/∂σ_l² and ∂L/∂log σ_l² = σ_l² ∂L/∂σ_l² of every level, [B, n_l] each.</returns>
    /// <exception cref="GapLabException">A prior is not Gaussian, or its variance is a function of the levels above: named with its level. Or the outputs' variance depends on z.</exception>
    /// <exception cref="ShapeException">λ has other blocks.</exception>
    public static IReadOnlyList<(Tensor Mean, Tensor Variance, Tensor LogVariance)> EvaluateLevels(
        GenerativeModel model, Observations x, LocalParameters lambda, Noise noise)
    {
        int b = lambda.Count, levels = model.LatentSizes.Count;
        if (!lambda.Blocks.Select(block => block.Shape[1]).SequenceEqual(model.LatentSizes.SelectMany(size => (int[])[size, size])))
            throw new ShapeException(
                $"ElboGradientFormula: λ has blocks of {string.Join(", ", lambda.Blocks.Select(block => block.Shape[1]))} numbers, but levels of {string.Join(", ", model.LatentSizes)} variables need a mean and a log-variance each.");
        var epsilon = new Tensor[levels];
        var sigma = new Tensor[levels];
        var z = new Tensor[levels];
        for (int level = 0; level < levels; level++)
        {
            Shape row = new(b, 1, model.LatentSizes[level]);
            sigma[level] = (0.5 * lambda[2 * level + 1]).Exp().Reshape(row);
            epsilon[level] = noise.Normal(model.LatentSizes[level], level);
            z[level] = lambda[2 * level].Reshape(row) + sigma[level] * epsilon[level];
        }
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = model.Factors(new Latents(z), x);
        if (!output.DependsOnMeanOnly)
            throw new GapLabException($"ElboGradientFormula: the formulas are for outputs whose variance does not depend on z, but that of {model.Name} does; differentiate the objective instead.");
        // b_l - e_l, from the bottom upwards.
        var errors = new Tensor[levels];
        Gradient.Of(output.Mean, z, errors, seed: output.Error(x));
        for (int level = 0; level < levels; level++)
        {
            DiagonalGaussian prior = Prior(model, priors[level], level);
            Tensor topDown = (z[level] - prior.Mean) * (-prior.LogVariance).Exp();
            errors[level] -= topDown;
            if (level == levels - 1)
                break;
            var bottomUp = new Tensor[levels - level - 1];
            Gradient.Of(prior.Mean.BroadcastTo(topDown.Shape), z.AsSpan(level + 1), bottomUp, seed: topDown);
            for (int i = 0; i < bottomUp.Length; i++)
                errors[level + 1 + i] += bottomUp[i];
        }
        var gradients = new (Tensor Mean, Tensor Variance, Tensor LogVariance)[levels];
        for (int level = 0; level < levels; level++)
        {
            Tensor variance = lambda[2 * level + 1].Exp();
            Tensor byVariance = (errors[level] * epsilon[level] / (2 * sigma[level])).Mean(1) + (2 * variance).Reciprocal();
            gradients[level] = (errors[level].Mean(1), byVariance, variance * byVariance);
        }
        return gradients;
    }

    private static DiagonalGaussian Prior(GenerativeModel model, LatentDistribution prior, int level)
    {
        if (prior is not DiagonalGaussian gaussian)
            throw new GapLabException($"ElboGradientFormula: the formulas are for Gaussian priors; that of level {level} of {model.Name} is another.");
        // One number for each variable cannot differ between samples; nothing is above the top.
        return level == model.LatentSizes.Count - 1 || gaussian.LogVariance.Shape.Rank == 1
            ? gaussian
            : throw new GapLabException(
                $"ElboGradientFormula: the formulas are for priors of constant variance, but at level {level} of {model.Name} it is a function of the levels above; differentiate the objective instead, or make the variances constant.");
    }
}
