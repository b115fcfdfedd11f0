using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Where approximate inference loses (Cremer et al. 2018, equation 10), averaged over datapoints, in nats:
/// <code>
/// approximation = log p̂(x) - L[q*]      what the best q of the family falls short of
/// amortization  = L[q*] - L[q]          what the inference network's q falls short of the best
/// inference     = log p̂(x) - L[q]       their sum
/// </code>
/// log p̂ is the larger of two dataset averages, the importance-weighted bound of q* and AIS; never the larger of two noisy estimates datapoint by
/// datapoint, which is biased upwards. log p̂ is an underestimate of log p(x), and L[q*], whose optimisation stops early, one of the best ELBO: the inference and
/// amortization gaps are thus underestimated, and the approximation gap errs to an unknown side.
/// </summary>
public sealed class Gaps
{
    private const int Resamples = 2000;

    private Gaps(BoundEstimate logMarginal, Gap approximation, Gap amortization, Gap inference, double level)
    {
        LogMarginal = logMarginal;
        Approximation = approximation;
        Amortization = amortization;
        Inference = inference;
        Level = level;
    }

    /// <summary>The bound that serves as log p̂: the one with the larger average.</summary>
    public BoundEstimate LogMarginal { get; }

    /// <summary>log p̂ - L[q*].</summary>
    public Gap Approximation { get; }

    /// <summary>L[q*] - L[q].</summary>
    public Gap Amortization { get; }

    /// <summary>log p̂ - L[q].</summary>
    public Gap Inference { get; }

    /// <summary>The coverage of the intervals.</summary>
    public double Level { get; }

    /// <summary>The gaps of a set of datapoints, with percentile bootstrap intervals over them.</summary>
    /// <param name="marginals">Lower bounds on log p(x) that compete for log p̂: at least one.</param>
    /// <param name="optimal">L[q*].</param>
    /// <param name="inferred">L[q].</param>
    /// <param name="stream">The source of the resampling.</param>
    /// <param name="level">The coverage of the intervals.</param>
    /// <exception cref="GapLabException">The estimates are not of the same datapoints, or one is an upper bound, or the level is not between 0 and 1.</exception>
    public static Gaps Compute(IReadOnlyList<BoundEstimate> marginals, BoundEstimate optimal, BoundEstimate inferred, RandomStream stream, double level = 0.95)
    {
        int n = inferred.Values.Length;
        if (n == 0 || optimal.Values.Length != n || marginals.Count == 0 || marginals.Any(bound => bound.Values.Length != n))
            throw new GapLabException("Gaps: all bounds must be estimates of the same datapoints, at least one.");
        if (marginals.Append(optimal).Any(bound => !bound.Datapoints.IsEmpty && !inferred.Datapoints.IsEmpty && !bound.Datapoints.Span.SequenceEqual(inferred.Datapoints.Span)))
            throw new GapLabException("Gaps: the bounds are estimates of different datapoints; measure all of them on one batch.");
        if (marginals.Append(optimal).Append(inferred).Any(bound => bound.Direction != BoundDirection.Lower))
            throw new GapLabException("Gaps: log p(x) and the ELBOs are estimated by lower bounds; an upper bound was given.");
        if (!(level > 0 && level < 1))
            throw new GapLabException($"Gaps: the coverage of the intervals must lie between 0 and 1, not {level}; 0.95 is usual.");

        double[] logMarginal = [.. marginals.Select(bound => bound.Mean)];
        int best = Array.IndexOf(logMarginal, logMarginal.Max());
        var approximation = new double[Resamples];
        var amortization = new double[Resamples];
        var inference = new double[Resamples];
        var sums = new double[marginals.Count];
        for (int r = 0; r < Resamples; r++)
        {
            // The choice of log p̂ is part of the estimate, so each resample makes it anew.
            RandomStream resample = stream.At(step: r);
            double star = 0, q = 0;
            Array.Clear(sums);
            for (int i = 0; i < n; i++)
            {
                int drawn = resample.Below(n, i);
                for (int m = 0; m < sums.Length; m++)
                    sums[m] += marginals[m].Values[drawn];
                star += optimal.Values[drawn];
                q += inferred.Values[drawn];
            }
            double p = sums.Max();
            approximation[r] = (p - star) / n;
            amortization[r] = (star - q) / n;
            inference[r] = (p - q) / n;
        }
        Gap Interval(string name, double value, double[] resampled, GapBias bias)
        {
            Array.Sort(resampled);
            return new Gap(name, value, Quantile(resampled, (1 - level) / 2), Quantile(resampled, (1 + level) / 2), bias);
        }
        return new Gaps(
            marginals[best],
            Interval("approximation", logMarginal[best] - optimal.Mean, approximation, GapBias.Undetermined),
            Interval("amortization", optimal.Mean - inferred.Mean, amortization, GapBias.Underestimate),
            Interval("inference", logMarginal[best] - inferred.Mean, inference, GapBias.Underestimate),
            level);
    }

    private static double Quantile(double[] sorted, double p)
    {
        double position = p * (sorted.Length - 1);
        int below = (int)position;
        double fraction = position - below;
        return below + 1 < sorted.Length ? sorted[below] * (1 - fraction) + sorted[below + 1] * fraction : sorted[below];
    }
}
