using GapLab.Bounds;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// The posteriors of a model with two latent variables by quadrature, see <see cref="PlanePosterior"/>, and how far the model's family is from them. Columns "logMarginal",
/// log p(x); "correlation", "bimodality" and "saddle" of p(z | x), the last being the depth in nats between its two parts, or 0; KL(q ‖ p(z | x)) of the q that the model's own
/// inference finds, "klInferred", of the q* that is found from N(0, I), "klFromStandard", and of the best q* found, "klOptimal": from there or from the posterior's moments.
/// </summary>
/// <param name="options">How q* is searched.</param>
public sealed class PosteriorShape(LocalOptimizerOptions options) : Measure(new Component("posterior-shape", revision: 1, new { options }))
{
    /// <inheritdoc/>
    public override string Title => "posteriors by quadrature";

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        RandomStream noise = new RandomStream(seed, RandomPurpose.Importance).Fork(4);
        LocalParameters inferred = vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
        var posteriors = new PlaneDensity[x.Count];
        vae.Model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            using var scope = MemoryScope.Enter(record: false);
            posteriors[row] = PlanePosterior.Of(vae.Model, x.Select([row]), cancellation);
        }, cancellation);
        double[] Divergences(Func<int, VariationalFamily> familyOf, LocalParameters lambda)
        {
            var kl = new double[x.Count];
            WorkerPool.ForEach(x.Count, row =>
            {
                using var scope = MemoryScope.Enter(record: false);
                Observations datapoint = x.Select([row]);
                PlaneDensity q = PlanePosterior.Of(vae.Model, familyOf(row), datapoint, lambda.Select(row), noise);
                kl[row] = PlanePosterior.Divergence(vae.Model, datapoint, posteriors[row], q);
            }, cancellation);
            return kl;
        }
        double[] Search(LocalParameters? start, Action<int>? told)
        {
            LocalOptimum found = new LocalOptimizer(options).Optimize(
                vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.LocalOptimization), told, cancellation, start);
            return Divergences(row => found.Families[row], found.Lambda);
        }
        double[] fromStandard = Search(null, null);
        double[] fromMoments = Search(PlanePosterior.MomentsAsStart(vae.Family, posteriors), progress);
        double[] Each(Func<PlaneDensity, double> value) => Array.ConvertAll(posteriors, posterior => value(posterior));
        return new MeasureResult(
            new MeasuredColumn("logMarginal", Each(posterior => posterior.LogIntegral)),
            new MeasuredColumn("correlation", Each(posterior => posterior.Correlation)),
            new MeasuredColumn("bimodality", Each(posterior => posterior.Bimodality())),
            new MeasuredColumn("saddle", Each(posterior => posterior.SecondPart()?.Depth ?? 0)),
            new MeasuredColumn("klInferred", Divergences(_ => vae.Family, inferred)),
            new MeasuredColumn("klFromStandard", fromStandard),
            new MeasuredColumn("klOptimal", [.. fromStandard.Zip(fromMoments, Math.Min)]));
    }
}
