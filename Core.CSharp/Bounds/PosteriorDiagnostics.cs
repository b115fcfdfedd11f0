using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// How much a model's latent variables say about N datapoints, given q(z | x_n) of each. All in nats.
/// <code>
/// KL          = 1/N Σ_n KL(q(z | x_n) ‖ p(z))                    what the latent code costs
/// information = 1/N Σ_n E_q(z | x_n)[log q(z | x_n) - log q(z)]    I_q(x; z), with the aggregate posterior q(z) = 1/N Σ_n q(z | x_n)
/// marginal KL = KL - information = KL(q(z) ‖ p(z))               how far the code is from the prior (Hoffman and Johnson 2016)
/// active units = the number of d with Var_x(E_q(z | x)[z_d]) > 0.01   (Burda, Grosse and Salakhutdinov 2016)
/// </code>
/// The information is that between z and which of the N datapoints it came from. It is at most log N, and in expectation a lower bound on the information about datapoints
/// drawn from where these N came from: near log N it says only that N is too small.
/// </summary>
public sealed class PosteriorDiagnostics
{
    /// <summary>The variance above which a unit counts as active.</summary>
    public const double ActiveVariance = 0.01;

    /// <summary>Samples of one datapoint that are drawn at once.</summary>
    private const int PieceSize = 250;

    private readonly double[] _klErrors;
    private readonly double[] _informationErrors;

    private PosteriorDiagnostics(double[] kl, double[] klErrors, double[]? information, double[] informationErrors, double[] meanVariances)
    {
        Kl = kl;
        _klErrors = klErrors;
        Information = information;
        _informationErrors = informationErrors;
        MeanVariances = meanVariances;
    }

    /// <summary>KL(q(z | x_n) ‖ p(z)) of every datapoint: exact where q and a prior of one level are diagonal Gaussians, else from the samples.</summary>
    public IReadOnlyList<double> Kl { get; }

    /// <summary>E_q(z | x_n)[log q(z | x_n) - log q(z)] of every datapoint; null where q is no diagonal Gaussian of one level and its density at samples of others is unknown.</summary>
    public IReadOnlyList<double>? Information { get; }

    /// <summary>
    /// Var_x(E_q(z | x)[z_d]) over the N datapoints for every latent dimension, the levels one after another from the one nearest to the data. Where q is no diagonal Gaussian
    /// of one level the means are those of the samples, whose noise is taken off; with one sample that is NaN.
    /// </summary>
    public IReadOnlyList<double> MeanVariances { get; }

    /// <summary>The average of <see cref="Kl"/>.</summary>
    public double MeanKl => Kl.Average();

    /// <summary>Its Monte-Carlo standard error: 0 where it is exact, NaN with one sample.</summary>
    public double MeanKlError => ErrorOfMean(_klErrors);

    /// <summary>I_q(x; z), the average of <see cref="Information"/>; null where that is.</summary>
    public double? MutualInformation => Information?.Average();

    /// <summary>Its Monte-Carlo standard error: what another seed would change, for the same datapoints; NaN with one sample or where there is no estimate.</summary>
    public double MutualInformationError => ErrorOfMean(_informationErrors);

    /// <summary>KL(q(z) ‖ p(z)) = <see cref="MeanKl"/> - <see cref="MutualInformation"/>; its standard error is at most the sum of theirs.</summary>
    public double? MarginalKl => MeanKl - MutualInformation;

    /// <summary>How many of <see cref="MeanVariances"/> exceed <see cref="ActiveVariance"/>.</summary>
    public int ActiveUnits => MeanVariances.Count(variance => variance > ActiveVariance);

    /// <summary>The diagnostics of a batch. The time grows with N² S; the memory, besides λ, with N alone.</summary>
    /// <param name="model">The model whose prior it is.</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The datapoints: their indices key the noise, so the result does not depend on their order beyond rounding.</param>
    /// <param name="lambda">λ of every datapoint.</param>
    /// <param name="samples">Samples of each q, S; at least 2 for standard errors.</param>
    /// <param name="stream">The source of the noise.</param>
    /// <param name="progress">Told after every datapoint how many are done; from any thread.</param>
    /// <param name="cancellation">Stops between two datapoints.</param>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    /// <exception cref="GapLabException">No datapoints or samples, or a value that is not finite: names the datapoint.</exception>
    public static PosteriorDiagnostics Compute(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, int samples, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (lambda.Count != x.Count)
            throw new ShapeException($"Posterior diagnostics: {x.Count} datapoints, but local parameters of {lambda.Count}.");
        if (x.Count == 0 || samples < 1)
            throw new GapLabException($"Posterior diagnostics need at least 1 datapoint and 1 sample, not {x.Count} and {samples}.");
        int count = x.Count, done = 0;
        var gaussians = new Gaussian?[count];
        WorkerPool.ForEach(count, row => gaussians[row] = GaussianOf(model, family, x, lambda, stream, row), cancellation);
        AggregatePosterior? aggregate = gaussians.All(q => q is not null)
            ? new AggregatePosterior([.. gaussians.Select(q => q!.Mean)], [.. gaussians.Select(q => q!.LogVariance)])
            : null;
        double[] kl = new double[count], klErrors = new double[count], information = new double[count], informationErrors = new double[count];
        var means = new Moments[count][];
        WorkerPool.ForEach(count, row =>
        {
            Moments ofKl = default, ofInformation = default;
            means[row] = Visit(model, family, x, lambda, samples, stream, row, (z, logRatioToPrior) =>
            {
                ofKl.Add(logRatioToPrior);
                if (aggregate is not null)
                    ofInformation.Add(aggregate.LogRatio(z, row));
            });
            if (gaussians[row] is { } q)
                means[row] = [.. q.Mean.Select(Moments.Exactly)];
            bool isExact = gaussians[row]?.Kl is not null;
            (kl[row], klErrors[row]) = isExact ? (gaussians[row]!.Kl!.Value, 0) : (ofKl.Mean, ofKl.Error);
            (information[row], informationErrors[row]) = aggregate is null ? (0, double.NaN) : (ofInformation.Mean, ofInformation.Error);
            RequireFinite(kl[row] + information[row] + means[row].Sum(mean => mean.Mean), x.Indices.Span[row]);
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return new PosteriorDiagnostics(kl, klErrors, aggregate is null ? null : information, informationErrors, Variances(means));
    }

    /// <summary>q(z | x_n) and, if the prior allows, its exact KL divergence; null where q is no diagonal Gaussian of one level.</summary>
    private static Gaussian? GaussianOf(GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, RandomStream stream, int row)
    {
        using var scope = MemoryScope.Enter(record: false);
        Observations datapoint = x.Select([row]);
        PosteriorSample sample = family.Sample(lambda.Select(row), model, new Noise(datapoint, stream, 1));
        if (sample.Conditionals is not [DiagonalGaussian q] || q.Mean.Count != q.LogVariance.Count)
            return null;
        double? kl = model.Prior(0, []) is DiagonalGaussian prior ? -q.WeightedTerms(prior, 1, 1).Sum().ToDouble() : null;
        return new Gaussian(q.Mean.ToArray(), q.LogVariance.ToArray(), kl);
    }

    /// <summary>Hands every sample z of level 0 of one datapoint, with log q(z | x) - log p(z) of all levels, to a visitor; returns the moments of z over all levels.</summary>
    private static Moments[] Visit(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters lambda, int samples, RandomStream stream, int row, Visitor visit)
    {
        using var scope = MemoryScope.Enter(record: false);
        Observations datapoint = x.Select([row]);
        LocalParameters own = lambda.Select(row);
        Moments[] moments = [];
        for (int first = 0; first < samples; first += PieceSize)
        {
            using var piece = MemoryScope.Enter(record: false);
            var noise = new Noise(datapoint, stream, Math.Min(PieceSize, samples - first), firstSample: first);
            PosteriorSample q = family.Sample(own, model, noise);
            double[] ratios = (q.LogDensity - model.LogPrior(q.Latents)).ToArray();
            double[][] levels = [.. q.Latents.Levels.Select(level => level.ToArray())];
            if (moments.Length == 0)
                moments = new Moments[levels.Sum(level => level.Length / noise.Samples)];
            for (int s = 0; s < noise.Samples; s++)
            {
                int next = 0;
                foreach (double[] level in levels)
                    foreach (double value in Row(level, s, noise.Samples))
                        moments[next++].Add(value);
                visit(Row(levels[0], s, noise.Samples), ratios[s]);
            }
        }
        return moments;
    }

    private static ReadOnlySpan<double> Row(double[] level, int sample, int samples) => level.AsSpan(sample * (level.Length / samples), level.Length / samples);

    /// <summary>The variances of the means over the datapoints. Where a mean is one of samples, its own noise would add to them and is taken off.</summary>
    private static double[] Variances(Moments[][] means)
    {
        var variances = new double[means[0].Length];
        for (int d = 0; d < variances.Length; d++)
        {
            double average = means.Average(mean => mean[d].Mean);
            double spread = means.Average(mean => (mean[d].Mean - average) * (mean[d].Mean - average));
            variances[d] = Math.Max(0, spread - means.Average(mean => mean[d].Error * mean[d].Error));
        }
        return variances;
    }

    private static double ErrorOfMean(double[] errors) => Math.Sqrt(errors.Sum(error => error * error)) / errors.Length;

    private static void RequireFinite(double value, int datapoint)
    {
        if (!double.IsFinite(value))
            throw new GapLabException($"Posterior diagnostics: those of datapoint {datapoint} are not finite; the model's parameters or λ are not.");
    }

    private delegate void Visitor(ReadOnlySpan<double> z, double logRatioToPrior);

    private sealed record Gaussian(double[] Mean, double[] LogVariance, double? Kl);

    /// <summary>A running mean and its standard error (Welford).</summary>
    private struct Moments
    {
        private int _count;
        private double _squares;

        public double Mean { get; private set; }

        public readonly double Error => Math.Sqrt(_squares / (_count - 1.0) / _count);

        /// <summary>A mean that is known.</summary>
        public static Moments Exactly(double mean) => new() { Mean = mean, _count = int.MaxValue };

        public void Add(double value)
        {
            _count++;
            double before = value - Mean;
            Mean += before / _count;
            _squares += before * (value - Mean);
        }
    }
}
