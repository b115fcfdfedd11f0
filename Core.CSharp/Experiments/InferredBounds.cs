using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>L[q] and its importance-weighted bound at the λ that the model's own inference finds: columns "elbo", "iwae" and "effectiveSamples", and of documents "words",
/// how many they have: with "iwae" it makes a <see cref="Perplexity"/>.</summary>
/// <param name="samples">k, for both.</param>
public sealed class InferredBounds(int samples = 5000) : Measure(new Component("inferred-bounds", revision: 1, new { samples }))
{
    private const int ProbeSamples = 250;

    /// <inheritdoc/>
    public override string Title => $"L[q] and IWAE-{samples}";

    /// <inheritdoc/>
    public override (Measure Probe, double Factor) CheapPart(Vae vae) =>
        samples > ProbeSamples ? (new InferredBounds(ProbeSamples), (double)samples / ProbeSamples) : (this, 1);

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
        ImportanceEstimate estimate = new ImportanceSampler(samples).Estimate(
            vae.Model, vae.Family, x, lambda, new RandomStream(seed, RandomPurpose.Importance).Fork(1), progress, cancellation);
        double[] lengths = x.Lengths;
        return new MeasureResult([.. Columns(estimate), .. lengths.Length > 0 ? [new MeasuredColumn("words", lengths)] : Array.Empty<MeasuredColumn>()]);
    }

    /// <summary>The columns of importance-weighted estimates.</summary>
    internal static MeasuredColumn[] Columns(ImportanceEstimate estimate) =>
    [
        MeasuredColumn.Of("elbo", estimate.Elbo),
        MeasuredColumn.Of("iwae", estimate.Iwae),
        new MeasuredColumn("effectiveSamples", estimate.EffectiveSampleSizes),
    ];
}
