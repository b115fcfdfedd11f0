using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Data.Arrays;
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

    /// <summary>A data set's name, see <see cref="DataSets.Names"/>, or the path of a .npy, .npz or .csv file, which enters keys by the hash of its bytes.</summary>
    /// <exception cref="DataException">The name is the path of a file that cannot be read.</exception>
    public required string Name
    {
        get;
        init
        {
            field = value;
            _fileHash = ArrayFile.IsPath(value) ? HashOf(value) : null;
        }
    }

    /// <summary>How many training datapoints are held out for validation; null for the data set's own split.</summary>
    public int? ValidationCount { get; init; }

    /// <summary>
    /// How many training datapoints are used; null for all. Files may be sorted, so a part of one is drawn at random: the same part every time. Of
    /// generated data, as many are made.
    /// </summary>
    public int? TrainCount { get; init; }

    /// <summary>The description that keys contain.</summary>
    public JsonObject ToJson() => new Component("data", Revision, new
    {
        name = _fileHash is null ? Name : null,
        sha256 = _fileHash,
        generator = Name switch
        {
            DataSets.Glyphs => new Component("synthetic", Synthetic.Revision).ToJson(),
            DataSets.Shapes => new Component("synthetic-shapes", SyntheticShapes.Revision).ToJson(),
            _ => null,
        },
        ValidationCount,
        TrainCount,
    }).ToJson();

    /// <summary>Loads the data.</summary>
    /// <param name="device">Where batches go.</param>
    /// <param name="folder">A folder that is searched first, or null.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file, one that has changed since it was named, or impossible sizes.</exception>
    public LoadedData Load(Device device, string? folder = null)
    {
        var options = new DataOptions { Folder = folder, ValidationCount = ValidationCount };
        DataSet set = DataSets.Load(Name, TrainCount is { } count ? options with { SyntheticTrainCount = count } : options);
        if (_fileHash is not null && HashOf(Name) != _fileHash)
            throw new DataException($"The data file '{Name}' has changed since this experiment was described; start again, so that results are kept under the data that they belong to.");
        return new LoadedData(
            set,
            set.Source(DataSplit.Train, device, TrainCount),
            set.Splits[DataSplit.Validation].Count == 0 ? null : set.Source(DataSplit.Validation, device),
            set.Source(DataSplit.Test, device));
    }

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
