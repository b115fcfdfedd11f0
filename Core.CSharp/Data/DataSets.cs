namespace GapLab.Data;

/// <summary>Every data set a script can name: the catalogued ones and the generated "glyphs".</summary>
public static class DataSets
{
    /// <summary>Name of the generated data set, see <see cref="Synthetic"/>.</summary>
    public const string Glyphs = "glyphs";

    private const int DefaultValidationCount = 1_000;

    /// <summary>All names, the generated data set first.</summary>
    public static IReadOnlyList<string> Names => [Glyphs, .. Catalog.Default.Names];

    /// <summary>Loads or generates a data set.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="options">Folder, validation part, size and seed of generated data; null for the defaults.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, or impossible sizes.</exception>
    public static DataSet Load(string name, DataOptions? options = null)
    {
        options ??= DataOptions.Default;
        var folders = DataFolders.Default(options.Folder);
        if (name == Glyphs)
        {
            return Synthetic.Glyphs(
                options.SyntheticSeed, options.SyntheticTrainCount, options.ValidationCount ?? DefaultValidationCount, options.SyntheticTestCount);
        }

        if (!Names.Contains(name))
        {
            throw new DataException($"There is no data set '{name}'; use one of {string.Join(", ", Names)}.");
        }

        return Catalog.Default.Load(name, folders, options.ValidationCount);
    }
}
