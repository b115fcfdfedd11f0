using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// L[q*] and its importance-weighted bound, where q* is the best of a family for every datapoint on its own: columns "elbo", "iwae",
/// "effectiveSamples", "steps" and "converged" (1 where the stopping rule ended the search, 0 where the limit on steps did).
/// </summary>
/// <param name="options">How q* is searched.</param>
/// <param name="samples">k, for both bounds.</param>
/// <param name="family">The family; null for the one that the model was trained with.</param>
public sealed class OptimalBounds(LocalOptimizerOptions options, int samples = 5000, Component<FamilyContext, VariationalFamily>? family = null)
    : Measure(new Component("optimal-bounds", revision: 1, new { options, samples, family = family?.ToJson() }))
{
    /// <summary>The search ends by a rule; so many steps are what estimates of time assume.</summary>
    public const int AssumedSteps = 8_000;

    private const int ProbeSteps = 200;

    /// <inheritdoc/>
    public override string Title => $"{family?.Name ?? "local"} optimisation and IWAE-{samples}";

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart
    {
        get
        {
            int assumed = Math.Min(options.MaximumSteps, AssumedSteps);
            return assumed <= ProbeSteps
                ? (this, 1)
                : (new OptimalBounds(options with { MaximumSteps = ProbeSteps }, Math.Max(1, samples * ProbeSteps / assumed), family), (double)assumed / ProbeSteps);
        }
    }

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        VariationalFamily searched = family?.Build(new FamilyContext(vae.Model, new RandomStream(seed, RandomPurpose.Initialization))) ?? vae.Family;
        LocalOptimum optimum = new LocalOptimizer(options).Optimize(
            vae.Model, searched, x, new RandomStream(seed, RandomPurpose.LocalOptimization), progress, cancellation);
        ImportanceEstimate estimate = new ImportanceSampler(samples).Estimate(
            vae.Model, searched, x, optimum.Lambda, new RandomStream(seed, RandomPurpose.Importance).Fork(2), null, cancellation);
        return new MeasureResult(
        [
            .. InferredBounds.Columns(estimate),
            new MeasuredColumn("steps", Array.ConvertAll(optimum.Steps, steps => (double)steps)),
            new MeasuredColumn("converged", Array.ConvertAll(optimum.Converged, converged => converged ? 1.0 : 0.0)),
        ]);
    }
}
