using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>The inverse temperatures 0 = β_0 &lt; ... &lt; β_{T-1} = 1 of annealed importance sampling.</summary>
public static class AnnealingSchedule
{
    /// <summary>T equidistant values.</summary>
    /// <param name="distributions">T, with both ends; at least 2.</param>
    public static double[] Linear(int distributions) => Build(distributions, t => t);

    /// <summary>
    /// T values that are dense at both ends (Wu et al. 2017): β_t = (s_t - s_0) / (s_{T-1} - s_0) with s_t = sigmoid(4 (2u - 1)) and u from 0 to 1.
    /// </summary>
    /// <param name="distributions">T, with both ends; at least 2.</param>
    public static double[] Sigmoid(int distributions)
    {
        static double S(double u) => 1 / (1 + Math.Exp(-4 * (2 * u - 1)));
        return Build(distributions, u => (S(u) - S(0)) / (S(1) - S(0)));
    }

    private static double[] Build(int distributions, Func<double, double> beta) => distributions >= 2
        ? [.. Enumerable.Range(0, distributions).Select(t => t == distributions - 1 ? 1 : beta(t / (distributions - 1.0)))]
        : throw new GapLabException($"Annealing needs at least 2 distributions, the two ends, not {distributions}.");
}
