using System.Text.Json;
using System.Text.Json.Serialization;

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

    /// <summary>Reads a data set's images; every file is checked against the catalog's checksum in the same pass.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="folders">Where to look.</param>
    /// <param name="validationCount">How many of the last training images become the validation part; null for the data set's default, 0 for none.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, or more validation images than there are.</exception>
    public DataSet Load(string name, DataFolders folders, int? validationCount = null)
    {
        CatalogEntry entry = Find(name);
        CatalogFile[] training = [.. entry.Files.Where(f => f.Role == CatalogRole.TrainingImages)];
        CatalogFile[] test = [.. entry.Files.Where(f => f.Role == CatalogRole.TestImages)];
        int total = training.Sum(f => f.Count);
        int held = validationCount ?? entry.Validation;
        if (held < 0 || held >= total)
        {
            throw new DataException(
                $"'{name}' has {total} training images, so {held} of them cannot be held out for validation; ask for 0 to {total - 1}.");
        }

        // Everything is found before anything is read, so a missing test file is reported at once.
        string[] trainingPaths = [.. training.Select(f => Locate(entry, f, folders))];
        string[] testPaths = [.. test.Select(f => Locate(entry, f, folders))];
        List<LoadedFile> files = [];
        ImageSet pool = Join($"{name}/train", training, trainingPaths, 0);
        ImageSet testImages = Join($"{name}/test", test, testPaths, total);
        DataSplits splits = new(
            pool.Take(total - held),
            pool.Slice(total - held, held, $"{name}/validation"),
            testImages,
            [
                .. Ranges("train", training, 0, total - held),
                .. Ranges("validation", training, total - held, total),
                .. Ranges("test", test, 0, testImages.Count),
            ]);
        return new DataSet(name, splits, DefaultBinarization(entry), files, entry.Citation, entry.Licence, entry.Note);

        ImageSet Join(string part, CatalogFile[] parts, string[] paths, int firstId) =>
            ImageSet.Concatenate(part, [.. parts.Zip(paths, (file, path) => ReadImages(entry, file, path, files))], firstId);
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
            if (file.Role is CatalogRole.TrainingImages or CatalogRole.TestImages)
            {
                _ = ReadImages(entry, file, path, files);
            }
            else
            {
                files.Add(IdxReader.Read(path, file.Sha256, [file.Count]).File);
            }
        }

        return files;
    }

    private static ImageSet ReadImages(CatalogEntry entry, CatalogFile file, string path, List<LoadedFile> files)
    {
        if (file.Format == CatalogFormat.Amat)
        {
            (ImageSet images, LoadedFile loaded) = AmatReader.Read(path, entry.Height, entry.Width, file.Sha256, file.Count);
            files.Add(loaded);
            return images;
        }

        if (file.Format == CatalogFormat.Cifar)
        {
            (ImageSet images, LoadedFile loaded) = CifarReader.Read(path, file.Count, file.Sha256);
            files.Add(loaded);
            return images;
        }

        IdxArray array = IdxReader.Read(path, file.Sha256, [file.Count, entry.Height, entry.Width]);
        files.Add(array.File);
        return IdxReader.ToImages(array);
    }

    private static IEnumerable<SplitRange> Ranges(string part, CatalogFile[] files, int first, int end)
    {
        int start = 0;
        foreach (CatalogFile file in files)
        {
            int from = Math.Max(first, start);
            int to = Math.Min(end, start + file.Count);
            if (from < to)
            {
                yield return new SplitRange(part, file.Name, from - start, to - from);
            }

            start += file.Count;
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

        CatalogRole[] needed = [CatalogRole.TrainingImages, CatalogRole.TestImages];
        if (needed.Any(role => entry.Files.All(f => f.Role != role)))
        {
            return "it lacks training or test images";
        }

        long training = entry.Files.Where(f => f.Role == CatalogRole.TrainingImages).Sum(f => (long)f.Count);
        if (entry.Validation < 0 || entry.Validation >= training)
        {
            return $"it holds out {entry.Validation} of {training} training images";
        }

        return entry.Files.Select(f => Fault(entry, f)).FirstOrDefault(f => f is not null);
    }

    private static string? Fault(CatalogEntry entry, CatalogFile file)
    {
        if (file.Name.Length == 0 || Path.GetFileName(file.Name) != file.Name)
        {
            return $"'{file.Name}' is not a plain file name";
        }

        if (file.Count < 1 || (long)file.Count * entry.Height * entry.Width * entry.Channels > Array.MaxLength)
        {
            return $"{file.Name} has {file.Count} images";
        }

        int channels = file.Format == CatalogFormat.Cifar ? CifarReader.Channels : 1;
        if (entry.Channels != channels || (file.Format == CatalogFormat.Cifar && (entry.Height != CifarReader.Side || entry.Width != CifarReader.Side)))
        {
            return $"{file.Name} cannot hold images of {DataPart.SizeText(entry.Height, entry.Width, entry.Channels)}";
        }

        return file.Sha256.Length == 64 && file.Sha256.All(char.IsAsciiHexDigit) ? null : $"the sha256 of {file.Name} is not 64 hexadecimal digits";
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
