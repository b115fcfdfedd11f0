using GapLab.Data.Arrays;
using GapLab.Data.Text;

namespace GapLab.Data;

/// <summary>Every data set a script can name: the catalogued ones, the generated "glyphs", "shapes", "documents" and "oracle", and files of the user's own.</summary>
public static class DataSets
{
    /// <summary>Name of the generated grey images, see <see cref="Synthetic"/>.</summary>
    public const string Glyphs = "glyphs";

    /// <summary>Name of the generated colour images, see <see cref="SyntheticShapes"/>.</summary>
    public const string Shapes = "shapes";

    /// <summary>Name of the generated bags of words, see <see cref="SyntheticDocuments"/>.</summary>
    public const string Documents = "documents";

    /// <summary>Name of the generated sentences, see <see cref="OracleSentences"/>.</summary>
    public const string Oracle = "oracle";

    private const int DefaultValidationCount = 1_000;

    /// <summary>The generated data sets.</summary>
    public static IReadOnlyList<string> Generated { get; } = [Glyphs, Shapes, Documents, Oracle];

    /// <summary>All names, the generated data sets first.</summary>
    public static IReadOnlyList<string> Names => [.. Generated, .. Catalog.Default.Names];

    /// <summary>Whether a name is the path of a file of the user's own: .npy, .npz or .csv (<see cref="ArrayFile"/>), or .txt with one sentence a line (<see cref="SentenceReader"/>).</summary>
    /// <param name="name">A data set's name.</param>
    public static bool IsPath(string name) => ArrayFile.IsPath(name) || TextData.IsPath(name);

    /// <summary>Numbers per pixel of a data set, known before its files are read: 3 for colour images; 1 for all others, and for names that do not exist.</summary>
    /// <param name="name">A name, or the path of a file.</param>
    public static int ChannelsOf(string name) => name == Shapes
        ? SyntheticShapes.Channels
        : Catalog.Default.Entries.FirstOrDefault(entry => entry.Name == name)?.Channels ?? 1;

    /// <summary>Loads or generates a data set.</summary>
    /// <param name="name">One of <see cref="Names"/>, or the path of a file, see <see cref="IsPath"/>.</param>
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

        if (name == Oracle)
        {
            return OracleSentences.Load(options.Oracle, options.SyntheticSeed, options.SyntheticTrainCount, validationCount, options.SyntheticTestCount);
        }

        if (TextData.IsPath(name))
        {
            return TextData.LoadFile(name, options.ValidationCount, options.VocabularySize);
        }

        if (ArrayFile.IsPath(name))
        {
            return ArrayFile.Load(name, options.ValidationCount);
        }

        if (!Names.Contains(name))
        {
            throw new DataException($"There is no data set '{name}'; use one of {string.Join(", ", Names)}, or the path of a .npy, .npz, .csv or .txt file.");
        }

        return Catalog.Default.Load(name, folders, options.ValidationCount, options.VocabularySize);
    }
}
