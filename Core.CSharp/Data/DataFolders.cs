namespace GapLab.Data;

/// <summary>
/// The folders that are searched for data files, in order. In each, a file of data set "d" is looked for as d/file, d/file.gz, file and file.gz; the
/// last two are left out in a folder that is named after another data set, since MNIST and Fashion-MNIST use the same file names.
/// </summary>
public sealed class DataFolders
{
    /// <summary>Environment variable with a list of data folders, separated as in PATH.</summary>
    public const string Variable = "GAPLAB_DATA";

    private const string CatalogPath = "Datasets/catalog.json";

    /// <summary>The folder that this process searches before the usual ones: what its user named with --data; null for none.</summary>
    public static string? Named { get; set; }

    /// <summary>Searches the given folders only.</summary>
    /// <param name="folders">Folders in the order of search; they need not exist.</param>
    public DataFolders(IEnumerable<string> folders)
    {
        Folders = [.. folders];
    }

    /// <summary>The folders in the order of search.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>Datasets/cache in the repository this is run from or was built in; in the working directory if there is no repository.</summary>
    public static string Cache
    {
        get
        {
            string root = AncestorsOf(Environment.CurrentDirectory).Concat(AncestorsOf(AppContext.BaseDirectory)).Concat(AncestorsOf(AssemblyFolder))
                .FirstOrDefault(folder => File.Exists(Path.Combine(folder, CatalogPath))) ?? Environment.CurrentDirectory;
            return Path.Combine(root, "Datasets", "cache");
        }
    }

    private static string AssemblyFolder => Path.GetDirectoryName(typeof(DataFolders).Assembly.Location) ?? "";

    /// <summary>The usual order: the folder named by the user, the folders in GAPLAB_DATA, Datasets/cache.</summary>
    /// <param name="folder">The folder named by the user; null for <see cref="Named"/>.</param>
    /// <exception cref="DataException">The named folder does not exist, or is a file.</exception>
    public static DataFolders Default(string? folder = null)
    {
        folder ??= Named;
        if (File.Exists(folder))
        {
            throw new DataException($"'{folder}' is a file, and --data needs the folder that holds the data; a file of your own is named with --dataset.");
        }

        if (folder is not null && !Directory.Exists(folder))
        {
            throw new DataException($"The data folder '{folder}' does not exist; name an existing folder, or leave --data out.");
        }

        string[] listed = (Environment.GetEnvironmentVariable(Variable) ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return new DataFolders([.. folder is null ? [] : (string[])[folder], .. listed, Cache]);
    }

    /// <summary>Path of a file of a data set, or null if no folder has it.</summary>
    /// <param name="dataSet">The data set, also the name of its subfolder.</param>
    /// <param name="file">File name without .gz.</param>
    /// <param name="dataSets">Names of all data sets.</param>
    public string? Find(string dataSet, string file, IReadOnlyList<string> dataSets)
    {
        ArgumentNullException.ThrowIfNull(dataSets);
        foreach (string folder in Folders)
        {
            string[] candidates = IsAnothers(folder, dataSet, dataSets)
                ? [Path.Combine(folder, dataSet, file)]
                : [Path.Combine(folder, dataSet, file), Path.Combine(folder, file)];
            foreach (string candidate in candidates.SelectMany(path => (string[])[path, path + ".gz"]))
            {
                if (File.Exists(candidate))
                {
                    return Path.GetFullPath(candidate);
                }
            }
        }

        return null;
    }

    /// <summary>Where a file was looked for in vain, as part of a sentence.</summary>
    internal string Describe(string dataSet, string file, IReadOnlyList<string> dataSets)
    {
        string folders = string.Join(", ", Folders.Select(folder => $"'{folder}'"));
        string where = Folders.Count == 1 ? $"{folders} does not hold" : $"none of {folders} holds";
        string[] others = [.. Folders.Where(folder => IsAnothers(folder, dataSet, dataSets)).Select(folder => $"'{folder}'")];
        string passedOver = others.Length == 0
            ? ""
            : $" ({string.Join(", ", others)} {(others.Length == 1 ? "bears" : "bear")} another data set's name, so files that lie there directly were passed over)";
        return $"{where} {file} or {file}.gz, directly or in a subfolder {dataSet}{passedOver}";
    }

    private static bool IsAnothers(string folder, string dataSet, IReadOnlyList<string> dataSets)
    {
        string own = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return own != dataSet && dataSets.Contains(own);
    }

    private static IEnumerable<string> AncestorsOf(string folder)
    {
        for (DirectoryInfo? at = folder.Length == 0 ? null : new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            yield return at.FullName;
        }
    }
}
