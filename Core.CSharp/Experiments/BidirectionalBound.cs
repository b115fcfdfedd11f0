using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// Bidirectional Monte Carlo, see <see cref="Bdmc"/>: how far AIS with these settings is from log p(x) on data that the model itself makes. The datapoints of the data set
/// lend their number and their indices, which key the simulation, and nothing else: none of the columns is about them. Columns "lower", "upper", "difference" (upper - lower,
/// whose error over points is the one to quote), "forwardAcceptance", "reverseAcceptance", "forwardEffectiveChains" and "reverseEffectiveChains".
/// </summary>
/// <param name="options">The settings, the start of the path included. Only frozen steps certify the bounds, and the title says whether they are.</param>
public sealed class BidirectionalBound(AisOptions options) : Measure(new Component("bdmc", revision: 1, AnnealedBound.SettingsOf(options)))
{
    private readonly Bdmc _bdmc = new(options);

    /// <inheritdoc/>
    public override string Title => $"{_bdmc.Name} on simulated data, {(_bdmc.IsCertified ? "certified" : "not certified")}";

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart(Vae vae)
    {
        (AisOptions probe, double factor) = AnnealedBound.CheapPartOf(options);
        return factor == 1 ? (this, 1) : (new BidirectionalBound(probe), factor);
    }

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        SimulatedData simulated = SimulatedData.Draw(vae.Model, x, new RandomStream(seed, RandomPurpose.ModelSampling));
        BdmcEstimate estimate = _bdmc.Run(
            vae.Model, vae.Family, simulated, AnnealedBound.StartOf(options, vae, simulated.Observations, seed),
            new RandomStream(seed, RandomPurpose.AnnealedInitial), progress, cancellation);
        return new MeasureResult(
            MeasuredColumn.Of("lower", estimate.Lower),
            MeasuredColumn.Of("upper", estimate.Upper),
            new MeasuredColumn("difference", estimate.Differences),
            new MeasuredColumn("forwardAcceptance", estimate.Forward.AcceptanceRates),
            new MeasuredColumn("reverseAcceptance", estimate.Reverse.AcceptanceRates),
            new MeasuredColumn("forwardEffectiveChains", estimate.Forward.EffectiveSampleSizes),
            new MeasuredColumn("reverseEffectiveChains", estimate.Reverse.EffectiveSampleSizes));
    }
}
