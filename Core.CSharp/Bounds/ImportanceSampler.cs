using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// The ELBO and the importance-weighted bound (Burda et al. 2016) of given λ from the same k samples a datapoint:
/// w_i = log p(x, z_i) - log q(z_i | x), L = mean of w, L_k = log-mean-exp of w. Both are lower bounds of log p(x) in expectation, L_k the
/// tighter one, biased by about -Var(e^w) / (2k E[e^w]²). The cost is k evaluations of the decoder.
/// </summary>
/// <remarks>
/// A datapoint's samples are drawn in pieces, so that memory does not grow with k or with the number of datapoints; the pieces do not
/// change the samples.
/// </remarks>
/// <param name="samples">k, at least 1; with 1 there is no standard error.</param>
/// <exception cref="GapLabException">k is less than 1.</exception>
public sealed class ImportanceSampler(int samples = 5000)
{
    /// <summary>How many samples are decoded at once.</summary>
    private const int PieceSize = 250;

    private readonly int _samples = samples >= 1
        ? samples
        : throw new GapLabException($"Importance sampling needs at least 1 sample a datapoint, not {samples}.");

    /// <summary>Both bounds for every datapoint of a batch.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">λ of every datapoint.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two datapoints.</param>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    /// <exception cref="GapLabException">A log-weight is not a number: names the datapoint.</exception>
    public ImportanceEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        family.Shared.Pack();
        return Estimate(model, _ => family, x, lambda, stream, progress, cancellation);
    }

    /// <summary>Both bounds for every datapoint of a batch, at its own local optimum.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="optimum">q* of every datapoint.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two datapoints.</param>
    /// <exception cref="ShapeException">Another number of optima than of datapoints.</exception>
    /// <exception cref="GapLabException">A log-weight is not a number: names the datapoint.</exception>
    public ImportanceEstimate Estimate(
        GenerativeModel model, LocalOptimum optimum, Observations x, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        Estimate(model, row => optimum.Families[row], x, optimum.Lambda, stream, progress, cancellation);

    private ImportanceEstimate Estimate(
        GenerativeModel model, Func<int, VariationalFamily> familyOf, Observations x, LocalParameters lambda, RandomStream stream,
        Action<int>? progress, CancellationToken cancellation)
    {
        if (lambda.Count != x.Count)
            throw new ShapeException($"Importance sampling: {x.Count} datapoints, but local parameters of {lambda.Count}.");
        var elbo = new double[x.Count];
        var elboError = new double[x.Count];
        var iwae = new double[x.Count];
        var iwaeError = new double[x.Count];
        var effective = new double[x.Count];
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            double[] w = Weights(model, familyOf(row), x, lambda, row, stream);
            elbo[row] = w.Average();
            elboError[row] = Math.Sqrt(w.Sum(value => (value - elbo[row]) * (value - elbo[row])) / (w.Length - 1.0) / w.Length);
            iwae[row] = LogWeights.LogMeanExp(w);
            iwaeError[row] = LogWeights.StandardError(w);
            effective[row] = LogWeights.EffectiveSampleSize(w);
            BoundEstimate.RequireNumber("Importance sampling", iwae[row], x.Indices.Span[row]);
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return new ImportanceEstimate(
            new BoundEstimate("ELBO", BoundDirection.Lower, elbo, elboError) { Datapoints = x.Indices },
            new BoundEstimate($"IWAE-{_samples}", BoundDirection.Lower, iwae, iwaeError) { Datapoints = x.Indices },
            effective);
    }

    private double[] Weights(GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, int row, RandomStream stream)
    {
        var w = new double[_samples];
        using var scope = MemoryScope.Enter(record: false);
        Observations datapoint = x.Select([row]);
        LocalParameters own = lambda.Select(row);
        for (int first = 0; first < _samples; first += PieceSize)
        {
            using var piece = MemoryScope.Enter(record: false);
            var noise = new Noise(datapoint, stream, Math.Min(PieceSize, _samples - first), firstSample: first);
            PosteriorSample q = family.Sample(own, model, noise);
            (model.LogJoint(datapoint, q.Latents) - q.LogDensity).CopyTo(w.AsSpan(first, noise.Samples));
        }
        return w;
    }
}
