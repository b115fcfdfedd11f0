using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>Annealed importance sampling from the prior: columns "ais", "acceptance" and "effectiveChains".</summary>
/// <param name="options">The settings.</param>
public sealed class AnnealedBound(AisOptions options) : Measure(new Component("ais", revision: 1, new
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
}))
{
    private const int ProbeDistributions = 6;

    private readonly Ais _ais = new(options);

    /// <inheritdoc/>
    public override string Title => _ais.Name;

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart =>
        options.Betas.Length <= ProbeDistributions
            ? (this, 1)
            : (new AnnealedBound(options with { Betas = AnnealingSchedule.Linear(ProbeDistributions) }), (options.Betas.Length - 2.0) / (ProbeDistributions - 2));

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        AisEstimate estimate = _ais.Run(vae.Model, x, new RandomStream(seed, RandomPurpose.AnnealedInitial), progress, cancellation);
        return new MeasureResult(
            MeasuredColumn.Of("ais", estimate.LogMarginal),
            new MeasuredColumn("acceptance", estimate.AcceptanceRates),
            new MeasuredColumn("effectiveChains", estimate.EffectiveSampleSizes));
    }
}
