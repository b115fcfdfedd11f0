using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// The most probable latent variables of models with two of them: the maximum of log p(x, z) over a grid on the square [-radius, radius]², or a larger one where it lies at the edge, refined
/// on smaller and smaller grids around it. Columns "logJoint", its height in nats, "x" and "y", its place.
/// </summary>
/// <param name="radius">Half the side of the square.</param>
/// <param name="step">The distance of the first grid's points.</param>
public sealed class PlaneMaximum(double radius = 5, double step = 0.05) : Measure(new Component("plane-maximum", revision: 1, new { radius, step }))
{
    /// <summary>Each smaller grid reaches two steps of the one before to all sides, in so many points.</summary>
    private const int RefinedSize = 17;

    private const int Refinements = 4;

    private const int LargestEnlargement = 4;

    /// <inheritdoc/>
    public override string Title => "most probable z by search on grids";

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        var heights = new double[x.Count];
        var places = (X: new double[x.Count], Y: new double[x.Count]);
        int done = 0;
        vae.Model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            Observations datapoint = x.Select([row]);
            for (int times = 1; times <= LargestEnlargement; times *= 2)
            {
                double reach = times * radius;
                (heights[row], places.X[row], places.Y[row]) = Best(vae, datapoint, PlaneGrid.Square(reach, 2 * (int)Math.Round(reach / step) + 1));
                if (Math.Max(Math.Abs(places.X[row]), Math.Abs(places.Y[row])) < reach - step)
                    break;
            }
            for (int i = 0; i < Refinements; i++)
            {
                double reach = 2 * step * Math.Pow(4.0 / (RefinedSize - 1), i);
                double left = places.X[row] - reach, bottom = places.Y[row] - reach;
                (double Height, double X, double Y) finer = Best(vae, datapoint, new PlaneGrid(left, left + 2 * reach, bottom, bottom + 2 * reach, RefinedSize));
                if (finer.Height > heights[row])
                    (heights[row], places.X[row], places.Y[row]) = finer;
            }
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return new MeasureResult(new MeasuredColumn("logJoint", heights), new MeasuredColumn("x", places.X), new MeasuredColumn("y", places.Y));
    }

    private static (double Height, double X, double Y) Best(Vae vae, Observations datapoint, PlaneGrid grid)
    {
        double[] values = PlanePosterior.LogJoint(vae.Model, datapoint, grid);
        int best = Array.IndexOf(values, values.Max());
        return (values[best], grid.X(best % grid.Size), grid.Y(best / grid.Size));
    }
}
