using GapLab.Differentiation;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The rule of the semi-amortized variational autoencoder, SA-VAE (Kim et al. 2018): θ and φ climb the total derivative of the ELBO at λ_K, through all steps that led there. A weighted sum
/// Σ_k w_k ELBO(λ_k) with w_K = 1 gives the encoder more of a signal (footnote 6); the samples of each term but the last are those of the step that goes on from it.
/// </summary>
public sealed class SemiAmortizedGradient : RefinementRule
{
    private readonly HessianProduct _product;
    private readonly IReadOnlyList<double> _earlier;

    /// <summary>The rule.</summary>
    /// <param name="product">How products with second derivatives are computed.</param>
    /// <param name="earlier">The weights w_0, w_1, ... of the ELBOs before the last one, at least 0, at most K of them; missing ones are 0.</param>
    /// <param name="steps">K over the epochs of training; null for that of the method throughout.</param>
    /// <param name="trainsModel">Whether θ is trained, too.</param>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    public SemiAmortizedGradient(HessianProduct product = HessianProduct.Exact, IReadOnlyList<double>? earlier = null, StepSchedule? steps = null, bool trainsModel = true)
        : base(steps, trainsModel)
    {
        _product = product;
        _earlier = earlier ?? [];
        if (_earlier.Any(weight => !(weight >= 0) || !double.IsFinite(weight)))
            throw new GapLabException($"The weights of ELBOs before the last one must be 0 or more, not {string.Join(", ", _earlier)}.");
    }

    /// <summary>The choice of this rule, for the specification of an experiment.</summary>
    /// <param name="product">How products with second derivatives are computed.</param>
    /// <param name="earlier">The weights of the ELBOs before the last one.</param>
    /// <param name="steps">K over the epochs of training.</param>
    /// <param name="trainsModel">Whether θ is trained, too.</param>
    public static Component<Vae, TrainingRule> Choice(
        HessianProduct product = HessianProduct.Exact, IReadOnlyList<double>? earlier = null, StepSchedule? steps = null, bool trainsModel = true) =>
        new("semi-amortized-gradient", revision: 1, new { product, earlier, steps, trainsModel = trainsModel ? (bool?)null : false }, _ => new SemiAmortizedGradient(product, earlier, steps, trainsModel));

    /// <inheritdoc/>
    public override string Name =>
        $"semi-amortized gradient, {_product} products{(_earlier.Count == 0 ? "" : $", weights {string.Join(", ", _earlier)} of earlier ELBOs")}{Remark}";

    private protected override void RequireFit(SemiAmortized method) { }

    private protected override void Adjust(Situation situation, Tensor[] lambda, Tensor[] theta)
    {
        int steps = situation.Trace.Points.Count - 1;
        if (_earlier.Count > steps)
            throw new GapLabException($"{_earlier.Count} ELBOs before the last one have weights, but there are {steps} steps; give at most as many.");
        situation.Ascent.PullBack(situation.Objective, situation.Trace, lambda, theta, _product, [.. _earlier.Select(weight => weight / situation.X.Count)]);
    }
}
