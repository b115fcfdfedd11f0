using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Data.Text;
using GapLab.Models;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>Which data an experiment uses.</summary>
public sealed record DataSpec
{
    /// <summary>Raised whenever the same names and sizes give other data.</summary>
    private const int Revision = 1;

    private static readonly ConcurrentDictionary<(string Path, long Length, DateTime Written), string> Hashes = new();

    // Of what the file held when it was named: what is computed from it must not get the key of what it holds later.
    private readonly string? _fileHash;

    /// <summary>
    /// A data set's name, see <see cref="DataSets.Names"/>, or the path of a file, see <see cref="DataSets.IsPath"/>. Files of the user's own, also those of a data set that is not published, enter
    /// keys by the hash of their bytes.
    /// </summary>
    /// <exception cref="DataException">Files of the user's own are missing or cannot be read.</exception>
    public required string Name
    {
        get;
        init
        {
            field = value;
            _fileHash = HashOf(OwnFiles(value));
        }
    }

    /// <summary>How many training datapoints are held out for validation; null for the data set's own split.</summary>
    public int? ValidationCount { get; init; }

    /// <summary>
    /// How many training datapoints are used; null for all. Files may be sorted, so a part of one is drawn at random: the same part every time. Of
    /// generated data, as many are made.
    /// </summary>
    public int? TrainCount { get; init; }

    /// <summary>
    /// Whether the grey levels of training images are sampled as zeros and ones anew in every epoch, as probabilities (Burda et al. 2016), where the data set samples them once;
    /// validation and test images keep their bits. Data that are binary already, or never binarized, stay as they are.
    /// </summary>
    public bool ResamplesTraining { get; init; }

    /// <summary>
    /// Whether uniform noise turns pixels of 256 levels into real numbers from 0 to 1 (<see cref="Binarization.Dequantized"/>), for models whose outputs are Gaussian with
    /// <see cref="Models.GaussianOptions.Levels"/> = 256. Other data are refused when they are loaded.
    /// </summary>
    public bool Dequantizes { get; init; }

    /// <summary>
    /// Whether images whose usual form is zeros and ones keep their intensities from 0 to 1 (<see cref="Binarization.None"/>), for models whose outputs are Gaussian. Data that are binary anyway, or
    /// never made so, are the same with it.
    /// </summary>
    public bool KeepsIntensities { get; init; }

    /// <summary>How many words the vocabulary of a text has at most; null for the data set's own number.</summary>
    public int? VocabularySize { get; init; }

    /// <summary>The generator of the data set "oracle"; null for the usual one. Other data sets have no use for it.</summary>
    public OracleOptions? Oracle { get; init; }

    /// <summary>The description that keys contain.</summary>
    public JsonObject ToJson() => new Component("data", Revision, new
    {
        name = DataSets.IsPath(Name) ? null : Name,
        sha256 = _fileHash,
        generator = Name switch
        {
            DataSets.Glyphs => new Component("synthetic", Synthetic.Revision).ToJson(),
            DataSets.Shapes => new Component("synthetic-shapes", SyntheticShapes.Revision).ToJson(),
            DataSets.Documents => new Component("synthetic-documents", SyntheticDocuments.Revision).ToJson(),
            DataSets.Oracle => new Component("oracle-sentences", OracleSentences.Revision).ToJson(),
            _ => null,
        },
        ValidationCount,
        TrainCount,
        VocabularySize,
        Oracle,
        resamplesTraining = ResamplesTraining ? true : (bool?)null,
        dequantizes = Dequantizes ? true : (bool?)null,
        keepsIntensities = KeepsIntensities ? true : (bool?)null,
    }).ToJson();

    /// <summary>Loads the data.</summary>
    /// <param name="device">Where batches go.</param>
    /// <param name="folder">A folder that is searched first, or null.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, one that has changed since it was named, or impossible sizes.</exception>
    public LoadedData Load(Device device, string? folder = null)
    {
        var options = new DataOptions { Folder = folder, ValidationCount = ValidationCount, VocabularySize = VocabularySize, Oracle = Oracle ?? new OracleOptions() };
        DataSet set = DataSets.Load(Name, TrainCount is { } count ? options with { SyntheticTrainCount = count } : options);
        if (HashOf(OwnFiles(Name, folder)) != _fileHash)
            throw new DataException($"What '{Name}' names has changed since this experiment was described; start again, so that results are kept under the data that they belong to.");
        if (Dequantizes && !set.HasLevels)
            throw new DataException($"'{Name}' has no pixels of 256 levels, between which noise could be added; use a data set of colour images.");
        if (Dequantizes)
            set = set.With(new Binarization.Dequantized(0));
        else if (KeepsIntensities)
            set = set.With(new Binarization.None());
        return new LoadedData(
            set,
            set.Source(DataSplit.Train, device, TrainCount, ResamplesTraining && set.DefaultBinarization is Binarization.SampledOnce once ? new Binarization.Resampled(once.Seed) : null),
            set.Splits[DataSplit.Validation].Count == 0 ? null : set.Source(DataSplit.Validation, device),
            set.Source(DataSplit.Test, device));
    }

    /// <summary>The files of which nobody but their user knows what they hold.</summary>
    private static IReadOnlyList<string> OwnFiles(string name, string? folder = null)
    {
        if (DataSets.IsPath(name))
            return [name];
        CatalogEntry? entry = Catalog.Default.Entries.FirstOrDefault(entry => entry.Name == name);
        CatalogFile[] unpublished = [.. entry?.Files.Where(file => !file.HasChecksum && file.Role is CatalogRole.Training or CatalogRole.Validation or CatalogRole.Test) ?? []];
        return unpublished.Length == 0 ? [] : [.. unpublished.Select(file => Catalog.Default.Locate(entry!, file, DataFolders.Default(folder))).Distinct()];
    }

    private static string? HashOf(IReadOnlyList<string> paths) => paths.Count switch
    {
        0 => null,
        1 => HashOf(paths[0]),
        _ => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(paths.Select(HashOf))))),
    };

    private static string HashOf(string path)
    {
        try
        {
            var info = new FileInfo(path);
            return Hashes.GetOrAdd((info.FullName, info.Length, info.LastWriteTimeUtc), static key =>
            {
                using FileStream file = File.OpenRead(key.Path);
                return Convert.ToHexStringLower(SHA256.HashData(file));
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"The data file '{path}' cannot be read ({e.Message.TrimEnd('.')}); check the path.", e);
        }
    }
}
