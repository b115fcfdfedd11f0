using GapLab.Bounds;
using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Tensors;

namespace GapLab.Training;

/// <summary>
/// Scores a model on the same held-out datapoints, with the same noise, after every epoch: a curve's ups and downs are then the model's own.
/// </summary>
/// <param name="source">The held-out data.</param>
/// <param name="points">How many of them, a random subset; all where there are fewer.</param>
/// <param name="samples">Samples of q for each datapoint.</param>
/// <param name="stream">The source of noise.</param>
internal sealed class ValidationCurve(ObservationSource source, int points, int samples, RandomStream stream)
{
    /// <summary>Decoded samples at once; fewer where one has many numbers.</summary>
    private const int RowsAtOnce = 1000, NumbersAtOnce = 800_000;

    private readonly int[] _order = source.SubsetOrder(Math.Min(points, source.Count));

    /// <summary>The present scores.</summary>
    /// <param name="vae">What is scored.</param>
    public ValidationScores Evaluate(Vae vae)
    {
        double elbo = 0, prior = 0, likelihood = 0, iwae = 0;
        int size = Math.Max(1, RowCount() / samples);
        for (int start = 0; start < _order.Length; start += size)
        {
            using var scope = MemoryScope.Enter(record: false);
            Observations x = source.Batch(_order.AsSpan(start, Math.Min(size, _order.Length - start)));
            LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream.Fork(1), 0).Final;
            PosteriorSample q = vae.Family.Sample(lambda, vae.Model, new Noise(x, stream, samples));
            Tensor logPrior = vae.Model.LogPrior(q.Latents), logLikelihood = vae.Model.LogLikelihood(x, q.Latents);
            double[] w = (logPrior + logLikelihood - q.LogDensity).ToArray();
            likelihood += logLikelihood.Sum().ToDouble() / samples;
            prior += (q.LogDensity - logPrior).Sum().ToDouble() / samples;
            for (int row = 0; row < x.Count; row++)
            {
                ReadOnlySpan<double> own = w.AsSpan(row * samples, samples);
                double sum = 0;
                foreach (double value in own)
                    sum += value;
                elbo += sum / samples;
                iwae += LogWeights.LogMeanExp(own);
            }
        }
        int n = _order.Length;
        return n == 0 ? ValidationScores.None : new ValidationScores(elbo / n, prior / n, likelihood / n, iwae / n);
    }

    private int RowCount()
    {
        if (_order.Length == 0)
            return RowsAtOnce;
        using var scope = MemoryScope.Enter(record: false);
        return Math.Clamp(NumbersAtOnce / source.Batch(_order.AsSpan(0, 1)).OutputSize, 1, RowsAtOnce);
    }
}
