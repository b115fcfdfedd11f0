using System.Numerics;
using System.Runtime.InteropServices;
using GapLab.Distributions;

namespace GapLab.Bounds;

/// <summary>q(z) = 1/N Σ_n q(z | x_n) of Gaussians N(μ_n, diag σ_n²), in float64 on the host. Memory: 16 bytes a component and latent dimension.</summary>
internal sealed class AggregatePosterior
{
    /// <summary>Components whose log-densities are held at once, so that they stay in the nearest cache.</summary>
    private const int Block = 512;

    private readonly int _count;
    private readonly double[] _logScale;

    // One row of all components for each dimension: neighbouring components fill a vector.
    private readonly double[] _mean;
    private readonly double[] _precision;

    /// <summary>The mixture of N components of equal weight.</summary>
    /// <param name="means">μ_n.</param>
    /// <param name="logVariances">log σ_n².</param>
    public AggregatePosterior(double[][] means, double[][] logVariances)
    {
        _count = means.Length;
        int size = means[0].Length;
        _logScale = new double[_count];
        _mean = new double[_count * size];
        _precision = new double[_count * size];
        for (int n = 0; n < _count; n++)
        {
            for (int d = 0; d < size; d++)
            {
                _mean[d * _count + n] = means[n][d];
                _precision[d * _count + n] = Math.Exp(-logVariances[n][d]);
            }
            _logScale[n] = -0.5 * logVariances[n].Sum() - 0.5 * size * DiagonalGaussian.LogTwoPi;
        }
    }

    /// <summary>log q(z | x_n) - log q(z), at most log N.</summary>
    /// <param name="z">A point.</param>
    /// <param name="component">n.</param>
    public double LogRatio(ReadOnlySpan<double> z, int component)
    {
        Span<double> log = stackalloc double[Block];
        double own = double.NaN, max = double.NegativeInfinity, sum = 0;
        for (int first = 0; first < _count; first += Block)
        {
            log = log[..Math.Min(Block, _count - first)];
            _logScale.AsSpan(first, log.Length).CopyTo(log);
            for (int d = 0; d < z.Length; d++)
                AddTerms(log, z[d], _mean.AsSpan(d * _count + first, log.Length), _precision.AsSpan(d * _count + first, log.Length));
            if (component >= first && component < first + log.Length)
                own = log[component - first];
            double before = max;
            foreach (double value in log)
                max = Math.Max(max, value);
            // What was summed relative to a smaller maximum shrinks; the first time there is nothing yet.
            sum *= sum == 0 ? 0 : Math.Exp(before - max);
            foreach (double value in log)
                sum += Math.Exp(value - max);
        }
        return own - max - Math.Log(sum / _count);
    }

    /// <summary>log[i] -= ½ (z - μ_i)² / σ_i²: the same numbers for any width of the vectors.</summary>
    private static void AddTerms(Span<double> log, double z, ReadOnlySpan<double> mean, ReadOnlySpan<double> precision)
    {
        Span<Vector<double>> logs = MemoryMarshal.Cast<double, Vector<double>>(log);
        ReadOnlySpan<Vector<double>> means = MemoryMarshal.Cast<double, Vector<double>>(mean), precisions = MemoryMarshal.Cast<double, Vector<double>>(precision);
        var point = new Vector<double>(z);
        var half = new Vector<double>(0.5);
        for (int i = 0; i < logs.Length; i++)
        {
            Vector<double> distance = point - means[i];
            logs[i] -= half * precisions[i] * distance * distance;
        }
        for (int i = logs.Length * Vector<double>.Count; i < log.Length; i++)
            log[i] -= 0.5 * precision[i] * (z - mean[i]) * (z - mean[i]);
    }
}
