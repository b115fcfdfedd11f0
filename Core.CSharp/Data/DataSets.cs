using GapLab.Data.Arrays;

namespace GapLab.Data;

/// <summary>Every data set a script can name: the catalogued ones, the generated "glyphs", "shapes" and "documents", and files of the user's own.</summary>
public static class DataSets
{
    /// <summary>Name of the generated grey images, see <see cref="Synthetic"/>.</summary>
    public const string Glyphs = "glyphs";

    /// <summary>Name of the generated colour images, see <see cref="SyntheticShapes"/>.</summary>
    public const string Shapes = "shapes";

    /// <summary>Name of the generated bags of words, see <see cref="SyntheticDocuments"/>.</summary>
    public const string Documents = "documents";

    private const int DefaultValidationCount = 1_000;

    /// <summary>The generated data sets.</summary>
    public static IReadOnlyList<string> Generated { get; } = [Glyphs, Shapes, Documents];

    /// <summary>All names, the generated data sets first.</summary>
    public static IReadOnlyList<string> Names => [.. Generated, .. Catalog.Default.Names];

    /// <summary>Numbers per pixel of a data set, known before its files are read: 3 for colour images; 1 for all others, and for names that do not exist.</summary>
    /// <param name="name">A name, or the path of a file.</param>
    public static int ChannelsOf(string name) => name == Shapes
        ? SyntheticShapes.Channels
        : Catalog.Default.Entries.FirstOrDefault(entry => entry.Name == name)?.Channels ?? 1;

    /// <summary>Loads or generates a data set.</summary>
    /// <param name="name">One of <see cref="Names"/>, or the path of a .npy, .npz or .csv file (see <see cref="ArrayFile"/>).</param>
    /// <param name="options">Folder, validation part, size and seed of generated data; null for the defaults.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, or impossible sizes.</exception>
    public static DataSet Load(string name, DataOptions? options = null)
    {
        options ??= DataOptions.Default;
        var folders = DataFolders.Default(options.Folder);
        int validationCount = options.ValidationCount ?? DefaultValidationCount;
        if (name == Glyphs)
        {
            return Synthetic.Glyphs(options.SyntheticSeed, options.SyntheticTrainCount, validationCount, options.SyntheticTestCount);
        }

        if (name == Shapes)
        {
            return SyntheticShapes.Load(options.SyntheticSeed, options.SyntheticTrainCount, validationCount, options.SyntheticTestCount);
        }

        if (name == Documents)
        {
            return SyntheticDocuments.Load(options.SyntheticSeed, options.SyntheticTrainCount, validationCount, options.SyntheticTestCount);
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
