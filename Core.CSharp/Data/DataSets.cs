using GapLab.Data.Arrays;

namespace GapLab.Data;

/// <summary>Every data set a script can name: the catalogued ones, the generated "glyphs", and files of the user's own.</summary>
public static class DataSets
{
    /// <summary>Name of the generated data set, see <see cref="Synthetic"/>.</summary>
    public const string Glyphs = "glyphs";

    private const int DefaultValidationCount = 1_000;

    /// <summary>All names, the generated data set first.</summary>
    public static IReadOnlyList<string> Names => [Glyphs, .. Catalog.Default.Names];

    /// <summary>Loads or generates a data set.</summary>
    /// <param name="name">One of <see cref="Names"/>, or the path of a .npy, .npz or .csv file (see <see cref="ArrayFile"/>).</param>
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

        if (ArrayFile.IsPath(name))
        {
            return ArrayFile.Load(name, options.ValidationCount);
        }

        if (!Names.Contains(name))
        {
            throw new DataException($"There is no data set '{name}'; use one of {string.Join(", ", Names)}, or the path of a .npy, .npz or .csv file.");
        }

        return Catalog.Default.Load(name, folders, options.ValidationCount);
    }
}
