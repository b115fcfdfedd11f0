using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// Annealed importance sampling, from the prior or from the q that the model's own inference finds: columns "ais", "acceptance" and "effectiveChains".
/// </summary>
/// <param name="options">The settings, the start of the path included.</param>
public sealed class AnnealedBound(AisOptions options) : Measure(new Component("ais", revision: 1, SettingsOf(options)))
{
    private const int ProbeDistributions = 6;

    private readonly Ais _ais = new(options);

    /// <inheritdoc/>
    public override string Title => _ais.Name;

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart(Vae vae)
    {
        (AisOptions probe, double factor) = CheapPartOf(options);
        return factor == 1 ? (this, 1) : (new AnnealedBound(probe), factor);
    }

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        LocalParameters? lambda = StartOf(options, vae, x, seed);
        AisEstimate estimate = _ais.Run(vae.Model, vae.Family, x, lambda, new RandomStream(seed, RandomPurpose.AnnealedInitial), progress, cancellation);
        return new MeasureResult(
            MeasuredColumn.Of("ais", estimate.LogMarginal),
            new MeasuredColumn("acceptance", estimate.AcceptanceRates),
            new MeasuredColumn("effectiveChains", estimate.EffectiveSampleSizes));
    }

    /// <summary>All that the numbers depend on, for keys. A start at the prior leaves no trace, as there once was no other.</summary>
    internal static object SettingsOf(AisOptions options) => new
    {
        options.Chains,
        distributions = options.Betas.Length,
        betas = CanonicalJson.Hash(CanonicalJson.From(options.Betas)),
        options.LeapfrogSteps,
        options.InitialStepSize,
        options.TargetAcceptance,
        options.SmallestStepSize,
        options.LargestStepSize,
        options.StepSizes,
        start = options.Start == AnnealingStart.Prior ? (AnnealingStart?)null : options.Start,
    };

    /// <summary>Settings with few distributions, and how many times as long the given ones take; 1 if they are as cheap.</summary>
    internal static (AisOptions Probe, double Factor) CheapPartOf(AisOptions options) => options.Betas.Length <= ProbeDistributions
        ? (options, 1)
        : (options with { Betas = AnnealingSchedule.Linear(ProbeDistributions) }, (options.Betas.Length - 2.0) / (ProbeDistributions - 2));

    /// <summary>λ of the q that the path starts from; null if it starts at the prior.</summary>
    internal static LocalParameters? StartOf(AisOptions options, Vae vae, Observations x, ulong seed) => options.Start == AnnealingStart.Prior
        ? null
        : vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
}
