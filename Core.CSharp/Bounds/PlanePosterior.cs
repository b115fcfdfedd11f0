using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Posteriors of models with two latent variables, exact up to quadrature: p(z | x) with log p(x) as its <see cref="PlaneDensity.LogIntegral"/>, densities of q(z | x), and
/// KL(q ‖ p(z | x)), which is the inference gap of q. No bound, and nothing sampled but where the grid of q lies and the marginal density of flows.
/// </summary>
/// <remarks>The cost is some 50,000 evaluations of the decoder a posterior, of which none are differentiated.</remarks>
public static class PlanePosterior
{
    /// <summary>Points that are decoded at once.</summary>
    private const int PieceSize = 4096;

    /// <summary>Samples of q that say where it is, and by what part of their range the grid exceeds them on each side: a Gaussian's reaches beyond 6 σ.</summary>
    private const int Scouts = 4000;

    private const double Margin = 0.4;

    /// <summary>Points along each axis of the grids of q.</summary>
    private const int FamilySize = 101;

    /// <summary>p(z | x) of one datapoint.</summary>
    /// <param name="model">A model with one latent level of two variables.</param>
    /// <param name="x">The datapoint, as a batch of one.</param>
    /// <param name="cancellation">Stops early.</param>
    /// <exception cref="ShapeException">The model has other latent variables, or the batch is not of one.</exception>
    /// <exception cref="GapLabException">p(x, z) is not finite.</exception>
    public static PlaneDensity Of(GenerativeModel model, Observations x, CancellationToken cancellation = default)
    {
        Require(model, x);
        return PlaneDensity.Find(grid => LogJoint(model, x, grid), cancellation: cancellation);
    }

    /// <summary>log p(x, z) at the points of a grid.</summary>
    /// <param name="model">A model with one latent level of two variables.</param>
    /// <param name="x">The datapoint, as a batch of one.</param>
    /// <param name="grid">The points.</param>
    /// <exception cref="ShapeException">The model has other latent variables, or the batch is not of one.</exception>
    public static double[] LogJoint(GenerativeModel model, Observations x, PlaneGrid grid)
    {
        Require(model, x);
        return Evaluate(model.Device, grid, PieceSize, (z, _) => model.LogJoint(x, new Latents(z)));
    }

    /// <summary>q(z | x) of one datapoint, on a grid around its samples.</summary>
    /// <param name="model">The model whose prior some families combine with λ.</param>
    /// <param name="family">A family that knows its density, or <see cref="AuxiliaryFlow"/>.</param>
    /// <param name="x">The datapoint, as a batch of one.</param>
    /// <param name="lambda">Its λ.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="marginalSamples">Samples of v at each point for the marginal density of a flow.</param>
    /// <exception cref="ShapeException">The model has other latent variables, or the batch or λ is not of one datapoint.</exception>
    /// <exception cref="GapLabException">The family does not know its density.</exception>
    public static PlaneDensity Of(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, RandomStream stream, int marginalSamples = 100)
    {
        Require(model, x);
        PlaneGrid grid;
        using (MemoryScope.Enter(record: false))
        {
            double[] z = family.Sample(lambda, model, new Noise(x, stream, Scouts)).Latents[0].ToArray();
            (double left, double right) = Around(z, 0);
            (double bottom, double top) = Around(z, 1);
            grid = new PlaneGrid(left, right, bottom, top, FamilySize);
        }
        return new PlaneDensity(grid, LogDensity(model, family, x, lambda, grid, stream, marginalSamples));
    }

    /// <summary>log q(z | x) at the points of a grid.</summary>
    /// <param name="model">The model whose prior some families combine with λ.</param>
    /// <param name="family">A family that knows its density, or <see cref="AuxiliaryFlow"/>.</param>
    /// <param name="x">The datapoint, as a batch of one.</param>
    /// <param name="lambda">Its λ.</param>
    /// <param name="grid">The points.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="marginalSamples">Samples of v at each point for the marginal density of a flow.</param>
    /// <exception cref="ShapeException">The model has other latent variables, or the batch or λ is not of one datapoint.</exception>
    /// <exception cref="GapLabException">The family does not know its density.</exception>
    public static double[] LogDensity(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, PlaneGrid grid, RandomStream stream, int marginalSamples = 100)
    {
        Require(model, x);
        return family is AuxiliaryFlow flow
            ? Evaluate(model.Device, grid, Math.Max(1, PieceSize / marginalSamples), (z, piece) => flow.LogMarginal(lambda, z, new Noise(x, stream, marginalSamples, piece)))
            : Evaluate(model.Device, grid, PieceSize, (z, _) => family.LogDensity(lambda, model, new Latents(z)));
    }

    /// <summary>KL(q ‖ p(z | x)) = log p(x) - L[q] in nats, by quadrature over q.</summary>
    /// <param name="model">The model.</param>
    /// <param name="x">The datapoint, as a batch of one.</param>
    /// <param name="posterior">p(z | x), for log p(x).</param>
    /// <param name="q">q(z | x), on a grid of its own.</param>
    public static double Divergence(GenerativeModel model, Observations x, PlaneDensity posterior, PlaneDensity q) =>
        q.DivergenceFrom(Array.ConvertAll(LogJoint(model, x, q.Grid), value => value - posterior.LogIntegral));

    /// <summary>λ at which to start the search for q*: blocks "mean", "logVariance" and "logScale" with the posteriors' moments, and the family's own start for other blocks.</summary>
    /// <remarks>
    /// The search of Cremer et al. (2018) starts at N(0, I), from where it can end in a far tail of a narrow posterior, worse than the encoder's q; with the moments known it need not.
    /// </remarks>
    /// <param name="family">The family.</param>
    /// <param name="posteriors">p(z | x) of every datapoint.</param>
    public static LocalParameters MomentsAsStart(VariationalFamily family, IReadOnlyList<PlaneDensity> posteriors)
    {
        LocalParameters start = family.InitialLocalParameters(posteriors.Count);
        Tensor Of(Func<PlaneDensity, double> x, Func<PlaneDensity, double> y) =>
            Tensor.Create(family.Shared.Device, new Shape(posteriors.Count, 2), [.. posteriors.SelectMany(posterior => new[] { x(posterior), y(posterior) })]);
        return new LocalParameters([.. family.LocalBlocks.Select((block, i) => block.Name switch
        {
            "mean" => Of(posterior => posterior.MeanX, posterior => posterior.MeanY),
            "logVariance" => Of(posterior => Math.Log(posterior.VarianceX), posterior => Math.Log(posterior.VarianceY)),
            "logScale" => Of(posterior => 0.5 * Math.Log(posterior.VarianceX), posterior => 0.5 * Math.Log(posterior.VarianceY)),
            _ => start[i],
        })]);
    }

    private static (double Least, double Most) Around(double[] z, int axis)
    {
        double least = double.PositiveInfinity, most = double.NegativeInfinity;
        for (int i = axis; i < z.Length; i += 2)
            (least, most) = (Math.Min(least, z[i]), Math.Max(most, z[i]));
        double margin = Margin * (most - least);
        return (least - margin, most + margin);
    }

    /// <summary>A function of points z [1, S, 2], piece by piece.</summary>
    private static double[] Evaluate(Device device, PlaneGrid grid, int pieceSize, Func<Tensor, int, Tensor> function)
    {
        var values = new double[grid.Count];
        for (int first = 0, piece = 0; first < values.Length; first += pieceSize, piece++)
        {
            using var scope = MemoryScope.Enter(record: false);
            var points = new double[2 * Math.Min(pieceSize, values.Length - first)];
            for (int i = 0; i < points.Length / 2; i++)
                (points[2 * i], points[2 * i + 1]) = (grid.X((first + i) % grid.Size), grid.Y((first + i) / grid.Size));
            function(Tensor.Create(device, new Shape(1, points.Length / 2, 2), points), piece).CopyTo(values.AsSpan(first, points.Length / 2));
        }
        return values;
    }

    private static void Require(GenerativeModel model, Observations x)
    {
        if (model.LatentSizes is not [2])
            throw new ShapeException($"A posterior over the plane needs a model with one level of 2 latent variables, not {string.Join(" and ", model.LatentSizes)}.");
        if (x.Count != 1)
            throw new ShapeException($"A posterior over the plane is that of one datapoint, not of {x.Count}.");
    }
}
