using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// The posteriors of a model with two latent variables by quadrature, see <see cref="PlanePosterior"/>, and how far the model's family is from them. Columns
/// "logMarginal", log p(x); "correlation" and "bimodality" of p(z | x); "klInferred" and "klOptimal", KL(q ‖ p(z | x)) of the q that the model's own inference finds and of q*;
/// "steps" and "converged" of the search for q*.
/// </summary>
/// <param name="options">How q* is searched.</param>
public sealed class PosteriorShape(LocalOptimizerOptions options) : Measure(new Component("posterior-shape", revision: 1, new { options }))
{
    /// <inheritdoc/>
    public override string Title => "posteriors by quadrature";

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        vae.Model.Parameters.Pack();
        LocalParameters inferred = vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
        RandomStream noise = new RandomStream(seed, RandomPurpose.Importance).Fork(4);
        var rows = new Dictionary<int, int>();
        for (int row = 0; row < x.Count; row++)
            rows[x.Indices.Span[row]] = row;
        MeasureResult[] results = new LocalOptimizer(options).Optimize(
            vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.LocalOptimization),
            optimum =>
            {
                PlaneDensity posterior = PlanePosterior.Of(vae.Model, optimum.X, cancellation);
                double Divergence(VariationalFamily family, LocalParameters lambda) =>
                    PlanePosterior.Divergence(vae.Model, optimum.X, posterior, PlanePosterior.Of(vae.Model, family, optimum.X, lambda, noise));
                MeasuredColumn Column(string name, double value) => new(name, [value]);
                return new MeasureResult(
                    Column("logMarginal", posterior.LogIntegral),
                    Column("correlation", posterior.Correlation),
                    Column("bimodality", posterior.Bimodality()),
                    Column("klInferred", Divergence(vae.Family, inferred.Select(rows[optimum.X.Indices.Span[0]]))),
                    Column("klOptimal", Divergence(optimum.Family, optimum.Lambda)),
                    Column("steps", optimum.Steps),
                    Column("converged", optimum.Converged ? 1 : 0));
            },
            progress, cancellation);
        return MeasureResult.Join(results);
    }
}
