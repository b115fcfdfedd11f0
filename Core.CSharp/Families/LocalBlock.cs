namespace GapLab.Families;

/// <summary>One block of a family's local parameters.</summary>
/// <param name="Name">For parameter names: "mean", "logVariance".</param>
/// <param name="Size">Its numbers for each datapoint.</param>
/// <param name="Level">The latent level that it is about; 0 is nearest to the data.</param>
public readonly record struct LocalBlock(string Name, int Size, int Level = 0)
{
    /// <summary>The name of blocks of μ.</summary>
    public const string Mean = "mean";

    /// <summary>The name of blocks of log σ².</summary>
    public const string LogVariance = "logVariance";

    /// <summary>Whether the numbers are means.</summary>
    public bool IsMean => Is(Mean);

    /// <summary>Whether the numbers are log-variances, which inference networks bound.</summary>
    public bool IsLogVariance => Is(LogVariance);

    /// <summary>A block of a level: "mean" nearest to the data, "mean.1", "mean.2", ... above.</summary>
    /// <param name="kind">Its name at level 0.</param>
    /// <param name="size">Its numbers for each datapoint.</param>
    /// <param name="level">The level.</param>
    public static LocalBlock At(string kind, int size, int level) => new(NameOf(kind, level), size, level);

    private bool Is(string kind) => Name == NameOf(kind, Level);

    private static string NameOf(string kind, int level) => level == 0 ? kind : $"{kind}.{level}";
}
