namespace GapLab.Models;

/// <summary>
/// How a decoder makes Gaussian outputs. The bounds on log-variances keep a dimension that hardly varies, or one datapoint, from an arbitrarily large density: with them one standard deviation is at least 0.03
/// (Marino et al. 2018, published code). One number for all dimensions cannot run away like that and has no bounds.
/// </summary>
public sealed record GaussianOptions
{
    /// <summary>The smallest log-variance where they are bounded.</summary>
    public const double SmallestLogVariance = -7;

    /// <summary>The largest log-variance where they are bounded.</summary>
    public const double LargestLogVariance = 15;

    /// <summary>What the log-variances are.</summary>
    public OutputVariance Variance { get; init; }

    /// <summary>
    /// Where the log-variances start, on average. A step of Adam moves a learnt one by about the learning rate, so that short runs on data in [0, 1] should start near the end, such as at -3.
    /// </summary>
    public double InitialLogVariance { get; init; }

    /// <summary>Whether the means are sigmoids of the outputs, for data in [0, 1], and not the outputs themselves.</summary>
    public bool SigmoidMean { get; init; }

    /// <summary>
    /// How many grey levels the data had before uniform noise was added to them and they were divided by this number (256; see <c>Binarization.Dequantized</c>): log p(x) is then that of the levels, -log 256 for each dimension more
    /// than the density. Null for data that are real numbers.
    /// </summary>
    public int? Levels { get; init; }
}
