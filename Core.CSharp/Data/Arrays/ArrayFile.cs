using GapLab.Tensors;

namespace GapLab.Data.Arrays;

/// <summary>
/// The user's own data: a .npy, .npz or .csv file of vectors or grey images, also compressed with gzip. Whole numbers are binary images if
/// there are only 0 and 1, else intensities from 0 to 255; real numbers from 0 to 1 are intensities as well, and any others real values.
/// </summary>
public static class ArrayFile
{
    private const int SplitSeed = 0;

    private static readonly string[] Endings = [".npy", ".npz", ".csv", ".npy.gz", ".csv.gz"];

    /// <summary>Whether a data set's name is the path of such a file, judged by its ending.</summary>
    public static bool IsPath(string name) => Endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// Reads a file. What it does not hold as a part of its own is drawn at random from the training array, the same datapoints every time: a
    /// tenth for testing, and as many as asked for, by default also a tenth, for validation.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="validationCount">
    /// How many datapoints are held out for validation; null for a tenth. A validation part of the file's own is taken whole, unless this is 0.
    /// </param>
    /// <returns>The data set, named after the file; as bytes (<see cref="ImageSet"/>) or real numbers (<see cref="ArraySet"/>).</returns>
    /// <exception cref="DataException">The file is missing, malformed or damaged, or there are too few datapoints.</exception>
    public static DataSet Load(string path, int? validationCount = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        using UnpackedFile file = UnpackedFile.Open(path);
        byte[] bytes = file.IsPacked
            ? Unpacking.ReadAll(file.Path, file.StoredBytes, buffer => file.Read(buffer.Span))
            : Unpacking.ReadPlain(file);
        LoadedFile loaded = file.Finish(null);
        return Split(Path.GetFileName(file.Path), Parse(file.Path, bytes), validationCount, loaded);
    }

    /// <summary>Reads the arrays of a file that is in memory; its name's ending says of which format it is.</summary>
    internal static PartArrays Parse(string name, byte[] bytes)
    {
        string plain = name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? name[..^3] : name;
        PartArrays arrays = Path.GetExtension(plain).ToLowerInvariant() switch
        {
            ".npy" => new PartArrays(NpyReader.Read(name, bytes)),
            ".npz" => NpzReader.Read(name, bytes),
            _ => new PartArrays(CsvTable.Read(name, bytes)),
        };

        if (arrays.All.Any(array => array.Bytes is null) && arrays.All.Any(array => array.Reals is null))
            throw new DataException($"'{name}' has one part of whole numbers from 0 to 255 and another of real numbers; save all parts with one type.");

        // Only zeros and ones in all parts: the ones are full ink.
        if (arrays.All.All(array => array.Bytes is not null && !array.Bytes.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)1)))
        {
            foreach (NumberArray array in arrays.All)
                array.Darken();
        }

        return arrays;
    }

    /// <summary>Makes the three parts of a data set.</summary>
    internal static DataSet Split(string name, PartArrays arrays, int? validationCount, LoadedFile file)
    {
        DataPart pool = arrays.Train.ToPart($"{name}/train", 0);
        DataPart? validation = validationCount != 0 ? arrays.Validation?.ToPart($"{name}/validation", pool.Count) : null;
        DataPart? test = arrays.Test?.ToPart($"{name}/test", pool.Count + (arrays.Validation?.Count ?? 0));

        int tested = test is null ? Math.Max(1, pool.Count / 10) : 0;
        int held = validation is not null ? 0 : validationCount ?? (pool.Count / 10);
        int trained = pool.Count - tested - held;
        if (held < 0 || trained < 1)
        {
            throw new DataException(
                $"'{name}' has {pool.Count} datapoints to train on, so {held} cannot be held out for validation and {tested} for testing; ask for 0 to {Math.Max(0, pool.Count - tested - 1)} or add datapoints.");
        }

        // Files may be sorted, so what is held out is drawn at random.
        int[] order = [.. Enumerable.Range(0, pool.Count)];
        bool isCut = tested + held > 0;
        if (isCut)
            new RandomStream(SplitSeed, RandomPurpose.Split).Fork(1).Shuffle(order);
        string source = isCut ? $"{name} in random order" : name;
        List<SplitRange> ranges = [new("train", source, 0, trained)];
        DataPart Take(string part, int first, int count)
        {
            ranges.Add(new SplitRange(part, source, first, count));
            return pool.Choose(order.AsSpan(first, count), $"{name}/{part}");
        }

        DataPart Whole(string part, DataPart whole)
        {
            ranges.Add(new SplitRange(part, $"{name}/{part}", 0, whole.Count));
            return whole;
        }

        DataPart heldOut = validation is null ? Take("validation", trained, held) : Whole("validation", validation);
        DataPart tests = test is null ? Take("test", trained + held, tested) : Whole("test", test);
        DataPart train = isCut ? pool.Choose(order.AsSpan(0, trained)) : pool;
        DataSplits splits = new(train, heldOut, tests, ranges);
        return new DataSet(name, splits, UsualBinarization([.. ((DataPart?[])[pool, validation, test]).OfType<DataPart>()]), [file]);
    }

    private static Binarization UsualBinarization(DataPart[] parts)
    {
        if (parts.All(part => part.IsBinary))
            return new Binarization.FixedFile();
        return parts.All(part => part.HasIntensities) ? new Binarization.SampledOnce(0) : new Binarization.None();
    }
}
