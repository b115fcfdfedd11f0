using System.Text.Json;
using System.Text.Json.Serialization;
using GapLab.Data.Text;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>The data sets that can be loaded by name, with the checksums their files must have. Its source is Datasets/catalog.json, which is also part of the assembly.</summary>
public sealed class Catalog
{
    private const string ResourceName = "catalog.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    private static readonly Lazy<Catalog> BuiltIn = new(ReadBuiltIn);

    private Catalog(IReadOnlyList<CatalogEntry> entries)
    {
        Entries = entries;
        Names = [.. entries.Select(e => e.Name)];
    }

    /// <summary>The catalog that is part of the assembly.</summary>
    public static Catalog Default => BuiltIn.Value;

    /// <summary>The data sets.</summary>
    public IReadOnlyList<CatalogEntry> Entries { get; }

    /// <summary>Their names.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Reads a catalog.</summary>
    /// <param name="json">Text of the form of Datasets/catalog.json.</param>
    /// <param name="origin">Where the text comes from, for messages.</param>
    /// <exception cref="DataException">The text is not JSON of that form, or describes an impossible data set.</exception>
    public static Catalog Parse(string json, string origin)
    {
        Document document;
        try
        {
            document = JsonSerializer.Deserialize<Document>(json, Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            string where = e.LineNumber is { } line ? $" at line {line + 1}" : "";
            throw new DataException($"The catalog '{origin}' cannot be read{where} (path {e.Path ?? "$"}); restore it from the repository.", e);
        }

        foreach (CatalogEntry entry in document.Datasets)
        {
            if (Fault(entry) is { } fault)
            {
                throw new DataException($"The catalog '{origin}' describes the data set '{entry.Name}' wrongly: {fault}; correct the entry.");
            }
        }

        return document.Datasets.GroupBy(e => e.Name).FirstOrDefault(g => g.Count() > 1) is { } twice
            ? throw new DataException($"The catalog '{origin}' has the data set '{twice.Key}' twice; remove one of them.")
            : new Catalog(document.Datasets);
    }

    /// <summary>The entry of a data set.</summary>
    /// <exception cref="DataException">The catalog has no such data set; the message lists those it has.</exception>
    public CatalogEntry Find(string name) =>
        Entries.FirstOrDefault(e => e.Name == name)
        ?? throw new DataException($"There is no data set '{name}' in the catalog; use one of {string.Join(", ", Names)}.");

    /// <summary>Path of a file of a data set.</summary>
    /// <exception cref="DataException">No folder has it; the message lists the places looked at and what to do.</exception>
    public string Locate(CatalogEntry entry, CatalogFile file, DataFolders folders)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(folders);
        return folders.Find(entry.Name, file.Name, Names) ?? throw new DataException(
            $"The data set '{entry.Name}' was not found: {folders.Describe(entry.Name, file.Name, Names)}; run 'dotnet fsi Scripts/datasets.fsx fetch {entry.Name}', "
            + $"or set {DataFolders.Variable} or --data to a folder that holds {entry.Name}/{file.Name}.gz.");
    }

    /// <summary>Reads a data set; every file is checked against the catalog's checksum in the same pass.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="folders">Where to look.</param>
    /// <param name="validationCount">
    /// How many training datapoints become the validation part, the last ones unless the files are sorted; null for the data set's default, 0 for none.
    /// </param>
    /// <param name="vocabularySize">How many words the vocabulary of a text has at most; null for the data set's default.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, or more validation datapoints than there are.</exception>
    public DataSet Load(string name, DataFolders folders, int? validationCount = null, int? vocabularySize = null)
    {
        CatalogEntry entry = Find(name);
        if (IsOf(entry, CatalogFormat.Sentences))
        {
            // Everything is found before anything is read, so a missing test file is reported at once.
            var located = entry.Files.ToDictionary(file => file, file => Locate(entry, file, folders));
            return TextData.Load(entry, file => ReadSentences(file, located[file]), validationCount, vocabularySize);
        }

        CatalogFile[] training = [.. entry.Files.Where(f => f.Role == CatalogRole.Training)];
        CatalogFile[] test = [.. entry.Files.Where(f => f.Role == CatalogRole.Test)];
        int held = validationCount ?? entry.Validation;
        if (training.All(file => file.Count > 0))
            RequireSplit(entry, training.Sum(file => file.Count), held);
        string[] trainingPaths = [.. training.Select(f => Locate(entry, f, folders))];
        string[] testPaths = [.. test.Select(f => Locate(entry, f, folders))];
        List<LoadedFile> files = [];
        DataPart pool = Join($"{name}/train", training, trainingPaths, 0);
        RequireSplit(entry, pool.Count, held);
        DataPart testPart = Join($"{name}/test", test, testPaths, pool.Count);
        int trained = pool.Count - held;
        bool isDrawn = entry.Sorted && held > 0;
        if (isDrawn)
        {
            int[] order = [.. Enumerable.Range(0, pool.Count)];
            new RandomStream(0, RandomPurpose.Split).Fork(1).Shuffle(order);
            pool = pool.Choose(order);
        }

        DataSplits splits = new(
            pool.Range(0, trained, pool.Name),
            pool.Range(trained, held, $"{name}/validation"),
            testPart,
            [
                .. isDrawn ? Drawn("train", training, 0, trained) : Ranges("train", training, 0, trained, pool.Count),
                .. isDrawn ? Drawn("validation", training, trained, held) : Ranges("validation", training, trained, pool.Count, pool.Count),
                .. Ranges("test", test, 0, testPart.Count, testPart.Count),
            ]);
        return new DataSet(name, splits, DefaultBinarization(entry), files, entry.Citation, entry.Licence, entry.Note, Words());

        DataPart Join(string part, CatalogFile[] parts, string[] paths, int firstId)
        {
            DataPart[] read = [.. parts.Zip(paths, (file, path) => ReadPart(entry, file, path, files))];
            return read[0] switch
            {
                CountSet => CountSet.Concatenate(part, [.. read.Cast<CountSet>()], firstId),
                ArraySet reals when read.Length == 1 => reals.Renumbered(part, firstId),
                _ => ImageSet.Concatenate(part, [.. read.Select(one => one as ImageSet ?? throw new DataException($"The files of '{name}' hold bytes and real numbers and cannot be joined; check that they are the right ones."))], firstId),
            };
        }

        IReadOnlyList<string>? Words()
        {
            CatalogFile? vocabulary = entry.Files.FirstOrDefault(f => f.Role == CatalogRole.Vocabulary);
            string? path = vocabulary is null ? null : folders.Find(name, vocabulary.Name, Names);
            if (path is null)
                return null;
            (IReadOnlyList<string> words, LoadedFile loaded) = VocabularyReader.Read(path, entry.Width, Checksum(vocabulary!));
            files.Add(loaded);
            return words;
        }
    }

    /// <summary>Reads every file of a data set, labels too, and compares its checksum.</summary>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file.</exception>
    public IReadOnlyList<LoadedFile> Verify(string name, DataFolders folders)
    {
        CatalogEntry entry = Find(name);
        List<LoadedFile> files = [];
        foreach (CatalogFile file in entry.Files)
        {
            string path = Locate(entry, file, folders);
            if (file.Format == CatalogFormat.Sentences)
                files.Add(ReadSentences(file, path).File);
            else if (file.Role is CatalogRole.Training or CatalogRole.Test)
                _ = ReadPart(entry, file, path, files);
            else if (file.Role == CatalogRole.Vocabulary)
                files.Add(VocabularyReader.Read(path, entry.Width, Checksum(file)).File);
            else
                files.Add(IdxReader.Read(path, Checksum(file), [file.Count]).File);
        }

        return files;
    }

    private static DataPart ReadPart(CatalogEntry entry, CatalogFile file, string path, List<LoadedFile> files)
    {
        (DataPart part, LoadedFile loaded) = file.Format switch
        {
            CatalogFormat.Amat => AmatReader.Read(path, entry.Height, entry.Width, Checksum(file), file.Count),
            CatalogFormat.Cifar => CifarReader.Read(path, file.Count, Checksum(file)),
            CatalogFormat.Mat => MatReader.ReadImages(path, file.Variable, entry.Height, entry.Width, entry.Channels, file.Count, Checksum(file)),
            CatalogFormat.WordCounts => WordCountReader.Read(path, entry.Width, Checksum(file), file.Count == 0 ? null : file.Count),
            _ => Images(IdxReader.Read(path, Checksum(file), [file.Count, entry.Height, entry.Width])),
        };
        if (!files.Contains(loaded))
            files.Add(loaded);
        return part;

        static (DataPart Part, LoadedFile Loaded) Images(IdxArray array) => (IdxReader.ToImages(array), array.File);
    }

    private static SentenceFile ReadSentences(CatalogFile file, string path) => SentenceReader.Read(path, Checksum(file), file.Count == 0 ? null : file.Count);

    private static void RequireSplit(CatalogEntry entry, int total, int held)
    {
        if (held < 0 || held >= total)
        {
            throw new DataException(
                $"'{entry.Name}' has {total} training {Kind(entry)}, so {held} of them cannot be held out for validation; ask for 0 to {total - 1}.");
        }
    }

    private static string? Checksum(CatalogFile file) => file.HasChecksum ? file.Sha256 : null;

    private static string Kind(CatalogEntry entry) =>
        IsOf(entry, CatalogFormat.WordCounts) ? "documents" : IsOf(entry, CatalogFormat.Sentences) ? "sentences" : "images";

    private static bool IsOf(CatalogEntry entry, CatalogFormat format) => entry.Files.Any(file => file.Format == format);

    private static IEnumerable<SplitRange> Drawn(string part, CatalogFile[] files, int first, int count) =>
        [new SplitRange(part, $"{string.Join(" and ", files.Select(file => file.Name))} in random order", first, count)];

    // Of joined files with so many datapoints in all; a single file's count may not be in the catalog.
    private static IEnumerable<SplitRange> Ranges(string part, CatalogFile[] files, int first, int end, int total)
    {
        int start = 0;
        foreach (CatalogFile file in files)
        {
            int count = files.Length == 1 ? total : file.Count;
            int from = Math.Max(first, start);
            int to = Math.Min(end, start + count);
            if (from < to)
            {
                yield return new SplitRange(part, file.Name, from - start, to - from);
            }

            start += count;
        }
    }

    private static Binarization DefaultBinarization(CatalogEntry entry) => entry.Binarization switch
    {
        "fixed" => new Binarization.FixedFile(),
        "threshold" => new Binarization.Threshold(),
        "none" => new Binarization.None(),
        _ => new Binarization.SampledOnce(0),
    };

    private static string? Fault(CatalogEntry entry)
    {
        if (entry.Binarization is not ("fixed" or "threshold" or "sampled-once" or "none"))
        {
            return $"its binarization is '{entry.Binarization}' instead of fixed, threshold, sampled-once or none";
        }

        if (entry.Height < 1 || entry.Width < 1 || entry.Channels < 1 || (Int128)entry.Height * entry.Width * entry.Channels > 1 << 24)
        {
            return $"its images are {DataPart.SizeText(entry.Height, entry.Width, entry.Channels)}";
        }

        if (IsOf(entry, CatalogFormat.Sentences))
            return SentencesFault(entry);

        CatalogRole[] needed = [CatalogRole.Training, CatalogRole.Test];
        if (needed.Any(role => entry.Files.All(f => f.Role != role)))
        {
            return $"it lacks training or test {Kind(entry)}";
        }

        if (entry.Files.Any(f => f.Role == CatalogRole.Validation))
        {
            return "it has a file of validation datapoints, which only text has";
        }

        if (IsOf(entry, CatalogFormat.WordCounts) && entry.Files.Any(f => f.Format is not (CatalogFormat.WordCounts or CatalogFormat.Vocabulary)))
        {
            return "it has documents and other datapoints";
        }

        CatalogFile[] files = [.. entry.Files.Where(f => f.Role == CatalogRole.Training)];
        long training = files.Sum(f => (long)f.Count);
        if (entry.Validation < 0 || (entry.Validation >= training && files is not [{ Count: 0 }]))
        {
            return $"it holds out {entry.Validation} of {training} training images";
        }

        return entry.Files.Select(f => Fault(entry, f)).FirstOrDefault(f => f is not null);
    }

    private static string? SentencesFault(CatalogEntry entry)
    {
        CatalogRole[] roles = [.. entry.Files.Select(file => file.Role).Order()];
        if (!roles.AsSpan().SequenceEqual([CatalogRole.Training, CatalogRole.Validation, CatalogRole.Test]) || entry.Files.Any(file => file.Format != CatalogFormat.Sentences))
        {
            return "text needs one file of sentences each for training, validation and testing, and no other";
        }

        return (entry.Height, entry.Channels) != (1, 1) || entry.Validation != 0 || entry.Files.Any(file => file.Count < 0)
            ? "text has a height and channels of 1, no part of the training sentences for validation, and files of 0 lines or more"
            : entry.Files.Select(NameFault).FirstOrDefault(fault => fault is not null);
    }

    private static string? NameFault(CatalogFile file)
    {
        if (file.Name.Length == 0 || Path.GetFileName(file.Name) != file.Name)
        {
            return $"'{file.Name}' is not a plain file name";
        }

        return !file.HasChecksum || (file.Sha256.Length == 64 && file.Sha256.All(char.IsAsciiHexDigit)) ? null : $"the sha256 of {file.Name} is not 64 hexadecimal digits";
    }

    private static string? Fault(CatalogEntry entry, CatalogFile file)
    {
        if (NameFault(file) is { } fault)
        {
            return fault;
        }

        // What a file of documents needs grows with the words that occur.
        bool isOfDocuments = file.Format == CatalogFormat.WordCounts;
        if (isOfDocuments ? file.Count < 0 : file.Count < 1 || (long)file.Count * entry.Height * entry.Width * entry.Channels > Array.MaxLength)
        {
            return $"{file.Name} has {file.Count} {Kind(entry)}";
        }

        if (isOfDocuments && (entry.Height, entry.Channels) != (1, 1))
        {
            return $"{file.Name} cannot hold documents of {DataPart.SizeText(entry.Height, entry.Width, entry.Channels)}";
        }

        if (file.Count == 0 && entry.Files.Count(f => f.Role == file.Role) > 1)
        {
            return $"{file.Name} is joined to others and needs a count";
        }

        if (file.Variable.Length > 0 != (file.Format == CatalogFormat.Mat))
        {
            return $"{file.Name} {(file.Variable.Length > 0 ? "is no MATLAB file and has no variables" : "is a MATLAB file and must say which variable is meant")}";
        }

        int channels = file.Format == CatalogFormat.Cifar ? CifarReader.Channels : 1;
        if ((entry.Channels != channels && file.Format != CatalogFormat.Mat) || (file.Format == CatalogFormat.Cifar && (entry.Height != CifarReader.Side || entry.Width != CifarReader.Side)))
        {
            return $"{file.Name} cannot hold images of {DataPart.SizeText(entry.Height, entry.Width, entry.Channels)}";
        }

        return null;
    }

    private static Catalog ReadBuiltIn()
    {
        using Stream stream = typeof(Catalog).Assembly.GetManifestResourceStream(ResourceName)
            ?? throw new DataException($"The resource '{ResourceName}' is missing from the built library; build it again from a complete checkout.");
        using StreamReader reader = new(stream);
        return Parse(reader.ReadToEnd(), ResourceName);
    }

    private sealed record Document(IReadOnlyList<CatalogEntry> Datasets);
}
