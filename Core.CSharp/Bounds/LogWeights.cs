namespace GapLab.Bounds;

/// <summary>Averages of importance weights given by their logarithms, with the maximum taken out so that nothing overflows.</summary>
public static class LogWeights
{
    /// <summary>log((1/n) Σ_i e^{w_i}); -∞ if all weights are zero.</summary>
    /// <param name="logWeights">w, at least one.</param>
    public static double LogMeanExp(ReadOnlySpan<double> logWeights)
    {
        double max = Max(logWeights);
        return double.IsInfinity(max) ? max : max + Math.Log(SumOfShifted(logWeights, max) / logWeights.Length);
    }

    /// <summary>
    /// The standard error of <see cref="LogMeanExp"/> by the delta method: the standard error of the mean weight, divided by the mean weight.
    /// </summary>
    /// <param name="logWeights">w, at least two.</param>
    public static double StandardError(ReadOnlySpan<double> logWeights)
    {
        double max = Max(logWeights);
        if (double.IsInfinity(max))
            return double.NaN;
        int n = logWeights.Length;
        double mean = SumOfShifted(logWeights, max) / n, squares = 0;
        foreach (double w in logWeights)
            squares += (Math.Exp(w - max) - mean) * (Math.Exp(w - max) - mean);
        return Math.Sqrt(squares / (n - 1.0) / n) / mean;
    }

    /// <summary>Kish's effective sample size, (Σ e^w)² / Σ e^{2w}: from 1, one weight has it all, to n, all are equal.</summary>
    /// <param name="logWeights">w, at least one.</param>
    public static double EffectiveSampleSize(ReadOnlySpan<double> logWeights)
    {
        double max = Max(logWeights), sum = 0, squares = 0;
        foreach (double w in logWeights)
        {
            double weight = Math.Exp(w - max);
            sum += weight;
            squares += weight * weight;
        }
        return sum * sum / squares;
    }

    private static double Max(ReadOnlySpan<double> values)
    {
        double max = double.NegativeInfinity;
        foreach (double value in values)
            max = Math.Max(max, value);
        return max;
    }

    private static double SumOfShifted(ReadOnlySpan<double> values, double max)
    {
        double sum = 0;
        foreach (double value in values)
            sum += Math.Exp(value - max);
        return sum;
    }
}
