namespace GapLab.Data.Fetching;

/// <summary>How files are fetched.</summary>
public sealed record FetchOptions
{
    /// <summary>Environment variable with addresses of mirrors, separated by blanks, to fetch from instead of the publishers.</summary>
    public const string MirrorsVariable = "GAPLAB_MIRRORS";

    /// <summary>
    /// Addresses to fetch from, in order, instead of the publishers' own; if there are none, the publishers are asked. Below a mirror's address
    /// lies a file of data set "d" as d/file or as file, under its published name, its plain name, or with .gz appended.
    /// </summary>
    public IReadOnlyList<string> Mirrors { get; init; } = [];

    /// <summary>How often one address is tried before the next; each attempt continues where the last one stopped. Range: ≥ 1.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>Pause before the second attempt; it doubles with every further one.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a server may send nothing at all before the attempt counts as failed.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The defaults, with the mirrors that GAPLAB_MIRRORS lists after the given ones.</summary>
    /// <param name="mirrors">Mirrors to try first.</param>
    public static FetchOptions FromEnvironment(IEnumerable<string> mirrors) => new()
    {
        Mirrors =
        [
            .. mirrors,
            .. (Environment.GetEnvironmentVariable(MirrorsVariable) ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
        ],
    };
}
