using System.Globalization;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// What a reader of a table should know of estimates of log p(x) before trusting them, as plain sentences: nothing where nothing was found. That nothing was found does
/// not prove the estimates right: two bounds may be too low by the same amount.
/// </summary>
public static class MarginalCheck
{
    /// <summary>Acceptance rates of Hamiltonian moves below this mean that chains hardly move.</summary>
    public const double LowestAcceptance = 0.4;

    /// <summary>Acceptance rates above this mean that steps may be too short to follow the path.</summary>
    public const double HighestAcceptance = 0.9;

    /// <summary>Averages that differ by more standard errors than this disagree.</summary>
    public const double LargestScore = 3;

    /// <summary>
    /// (mean a - mean b) / √(e_a² + e_b²), with the Monte-Carlo errors e of both averages, for bounds of the same datapoints: what differs between datapoints does not
    /// enter, and the noise of the two is independent. NaN where the averages are not finite or an error is missing.
    /// </summary>
    /// <param name="a">One bound.</param>
    /// <param name="b">Another, with noise of its own.</param>
    /// <exception cref="GapLabException">They are of different datapoints.</exception>
    public static double Score(BoundEstimate a, BoundEstimate b)
    {
        if (a.Values.Length == 0 || a.Values.Length != b.Values.Length
            || (!a.Datapoints.IsEmpty && !b.Datapoints.IsEmpty && !a.Datapoints.Span.SequenceEqual(b.Datapoints.Span)))
            throw new GapLabException($"{a.Name} and {b.Name} can be compared only as bounds of the same datapoints, at least one; measure both on one batch.");
        double difference = a.Mean - b.Mean;
        if (!double.IsFinite(difference) || a.StandardErrors.Length == 0 || b.StandardErrors.Length == 0)
            return double.NaN;
        return difference == 0 ? 0 : difference / Math.Sqrt(a.MonteCarloError * a.MonteCarloError + b.MonteCarloError * b.MonteCarloError);
    }

    /// <summary>A sentence for each pair of lower bounds on log p(x) whose averages differ by more than their errors explain.</summary>
    /// <param name="bounds">The bounds, each with the name that the table gives it; all of the same datapoints.</param>
    /// <exception cref="GapLabException">They are of different datapoints, or one is an upper bound.</exception>
    public static IReadOnlyList<string> Disagreements(params ReadOnlySpan<(string Name, BoundEstimate Estimate)> bounds)
    {
        var findings = new List<string>();
        foreach ((string name, BoundEstimate bound) in bounds)
            if (bound.Direction != BoundDirection.Lower)
                throw new GapLabException($"{name} is an upper bound; the larger of two bounds is the better one only if both are lower bounds.");
        for (int i = 0; i < bounds.Length; i++)
        {
            for (int j = i + 1; j < bounds.Length; j++)
            {
                ((string first, BoundEstimate a), (string second, BoundEstimate b)) = (bounds[i], bounds[j]);
                double score = Score(a, b);
                if (double.IsNaN(score))
                    findings.Add($"{first} and {second} cannot be compared: an average is not finite, or a standard error is missing.");
                else if (Math.Abs(score) > LargestScore)
                    findings.Add(
                        $"{(score < 0 ? first : second)} lies {Number(Math.Abs(a.Mean - b.Mean), "G3")} nats below {(score < 0 ? second : first)}, {Number(Math.Abs(score), "F0")} standard errors: it has not converged, and the higher one may be too low as well.");
            }
        }
        return findings;
    }

    /// <summary>A sentence for each side on which acceptance rates leave the range from <see cref="LowestAcceptance"/> to <see cref="HighestAcceptance"/>.</summary>
    /// <param name="name">The estimator that made the moves.</param>
    /// <param name="rates">The fraction of accepted moves of every datapoint.</param>
    public static IReadOnlyList<string> Acceptance(string name, ReadOnlySpan<double> rates)
    {
        int below = 0, above = 0;
        double smallest = double.PositiveInfinity, largest = double.NegativeInfinity;
        foreach (double rate in rates)
        {
            below += rate < LowestAcceptance ? 1 : 0;
            above += rate > HighestAcceptance ? 1 : 0;
            smallest = Math.Min(smallest, rate);
            largest = Math.Max(largest, rate);
        }
        var findings = new List<string>();
        if (below > 0)
            findings.Add($"{name} accepted less than {Number(LowestAcceptance, "P0")} of the moves of {below} of {rates.Length} points ({Number(smallest, "P0")} at least): their chains hardly move, and the estimates are too low.");
        if (above > 0)
            findings.Add($"{name} accepted more than {Number(HighestAcceptance, "P0")} of the moves of {above} of {rates.Length} points ({Number(largest, "P0")} at most): their steps may be too short; more distributions will tell.");
        return findings;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
