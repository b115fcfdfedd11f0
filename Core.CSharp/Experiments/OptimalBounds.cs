using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// L[q*] and its importance-weighted bound, where q* is the best of a family for every datapoint on its own, shared parameters included: columns "elbo", "iwae",
/// "effectiveSamples", "steps" and "converged" (1 where the stopping rule ended the search, 0 where the limit on steps did).
/// </summary>
/// <param name="options">How q* is searched.</param>
/// <param name="samples">k, for both bounds.</param>
/// <param name="family">The family, freshly initialised; null for the one that the model was trained with, whose shared parameters start at their trained values.</param>
public sealed class OptimalBounds(LocalOptimizerOptions options, int samples = 5000, Component<FamilyContext, VariationalFamily>? family = null)
    : Measure(new Component("optimal-bounds", revision: 1, new { options, samples, family = family?.ToJson() }))
{
    /// <summary>The search ends by a rule; so many steps are what estimates of time assume, for families with networks and without.</summary>
    private const int AssumedNetworkSteps = 14_000, AssumedSteps = 8_000;

    private const int ProbeSteps = 200;

    /// <inheritdoc/>
    public override string Title => $"{family?.Name ?? "local"} optimisation and IWAE-{samples}";

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart(Vae vae)
    {
        int assumed = AssumedStepsOf(vae);
        return assumed <= ProbeSteps
            ? (this, 1)
            : (new OptimalBounds(options with { MaximumSteps = ProbeSteps }, Math.Max(1, samples * ProbeSteps / assumed), family), (double)assumed / ProbeSteps);
    }

    /// <inheritdoc/>
    public override string Assumption(Vae vae) => $"for {AssumedStepsOf(vae)} steps a datapoint";

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        VariationalFamily searched = SearchedFamily(vae, seed);
        var sampler = new ImportanceSampler(samples);
        RandomStream noise = new RandomStream(seed, RandomPurpose.Importance).Fork(2);
        // A datapoint's q* is evaluated where it is found: one with networks of its own is too large to keep for many datapoints.
        MeasureResult[] results = new LocalOptimizer(options).Optimize(
            vae.Model, searched, x, new RandomStream(seed, RandomPurpose.LocalOptimization),
            optimum => new MeasureResult(
            [
                .. InferredBounds.Columns(sampler.Estimate(vae.Model, optimum.Family, optimum.X, optimum.Lambda, noise, null, cancellation)),
                new MeasuredColumn("steps", [optimum.Steps]),
                new MeasuredColumn("converged", [optimum.Converged ? 1 : 0]),
            ]),
            progress, cancellation);
        return MeasureResult.Join(results);
    }

    private VariationalFamily SearchedFamily(Vae vae, ulong seed) =>
        family?.Build(new FamilyContext(vae.Model, new RandomStream(seed, RandomPurpose.Initialization))) ?? vae.Family;

    private int AssumedStepsOf(Vae vae) => Math.Min(options.MaximumSteps, SearchedFamily(vae, seed: 0).Shared.Count > 0 ? AssumedNetworkSteps : AssumedSteps);
}
