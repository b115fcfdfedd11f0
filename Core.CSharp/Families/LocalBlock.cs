namespace GapLab.Families;

/// <summary>One block of a family's local parameters.</summary>
/// <param name="Name">For parameter names: "mean", "logVariance".</param>
/// <param name="Size">Its numbers for each datapoint.</param>
public readonly record struct LocalBlock(string Name, int Size)
{
    /// <summary>The name of blocks of log σ².</summary>
    public const string LogVariance = "logVariance";

    /// <summary>Whether the numbers are log-variances, which inference networks bound.</summary>
    public bool IsLogVariance => Name == LogVariance;
}
