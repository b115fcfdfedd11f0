namespace GapLab.Data;

/// <summary>
/// An immutable list of equally sized images or vectors, one part of a data set: bytes in an <see cref="ImageSet"/>, real numbers in an
/// <see cref="ArraySet"/>, numbers of words in a <see cref="CountSet"/>. A vector is an image of one row.
/// </summary>
/// <remarks>
/// Every datapoint carries an <see cref="Id"/>, its number in the data set it came from. It survives slicing and selection, and random
/// binarization is keyed by it, so a datapoint has the same bits in whichever subset or batch it turns up.
/// </remarks>
public abstract class DataPart
{
    private readonly int[]? _ids;
    private readonly int _firstId;

    private protected DataPart(string name, int height, int width, int channels, long values, int firstId, int[]? ids)
    {
        ArgumentNullException.ThrowIfNull(name);
        // Three factors below 2^31 overflow 64 bits.
        Int128 size = (Int128)height * width * channels;
        if (height < 1 || width < 1 || channels < 1 || size > Array.MaxLength)
            throw new DataException($"Images of '{name}' cannot be {SizeText(height, width, channels)}; give sizes of at least 1 whose product fits an array.");
        if (values % size != 0)
            throw new DataException($"'{name}' has {values} pixels, which is no whole number of {SizeText(height, width, channels)} images; check the size.");
        int count = (int)(values / size);
        if (firstId < 0 || (long)firstId + count - 1 > int.MaxValue)
            throw new DataException($"'{name}' cannot number {count} images from {firstId} on; use a first id between 0 and {int.MaxValue - count + 1L}.");

        Name = name;
        Count = count;
        Height = height;
        Width = width;
        Channels = channels;
        _firstId = firstId;
        _ids = ids;
    }

    /// <summary>What the datapoints are, for example "mnist/train".</summary>
    public string Name { get; }

    /// <summary>Number of datapoints; 0 is allowed (an empty validation set).</summary>
    public int Count { get; }

    /// <summary>Rows per image; 1 for vectors.</summary>
    public int Height { get; }

    /// <summary>Columns per image; the length of vectors.</summary>
    public int Width { get; }

    /// <summary>Numbers per pixel: 1 for grey images, 3 (red, green, blue) for coloured ones.</summary>
    public int Channels { get; }

    /// <summary>Numbers per datapoint: <see cref="Height"/> times <see cref="Width"/> times <see cref="Channels"/>.</summary>
    public int PixelCount => Height * Width * Channels;

    /// <summary>Height, width and, where there are several, channels: "28x28", "32x32x3".</summary>
    public string Size => SizeText(Height, Width, Channels);

    /// <summary>Whether the datapoints hold nothing but two values, ink and no ink.</summary>
    public abstract bool IsBinary { get; }

    /// <summary>Whether all numbers are intensities from 0 (none) to 1 (full), and so can be probabilities.</summary>
    public abstract bool HasIntensities { get; }

    /// <summary>The datapoint's number in the data set it came from; unique over the training, validation and test parts.</summary>
    /// <exception cref="DataException">There is no datapoint of that number.</exception>
    public int Id(int index)
    {
        Check(index);
        return _ids is null ? _firstId + index : _ids[index];
    }

    /// <summary>Name, count and size, for messages and logs.</summary>
    public override string ToString() => $"{Name}: {Count} images of {Size}";

    /// <summary>The datapoints of the given numbers, in the given order, copied.</summary>
    /// <param name="indices">Their numbers.</param>
    /// <param name="name">The new part's name; by default this one's.</param>
    internal abstract DataPart Choose(ReadOnlySpan<int> indices, string? name = null);

    /// <summary>The datapoints first .. first + count - 1, without a copy where that can be.</summary>
    /// <param name="first">The first one.</param>
    /// <param name="count">How many.</param>
    /// <param name="name">The new part's name.</param>
    internal virtual DataPart Range(int first, int count, string name)
    {
        CheckRange(first, count);
        return Choose([.. Enumerable.Range(first, count)], name);
    }

    internal static string SizeText(int height, int width, int channels) => channels == 1 ? $"{height}x{width}" : $"{height}x{width}x{channels}";

    private protected static T[] Allocate<T>(string name, long values) =>
        values <= Array.MaxLength
            ? GC.AllocateUninitializedArray<T>((int)values)
            : throw new DataException($"'{name}' would need {values} pixels, more than one array can hold; use fewer images.");

    private protected void CheckRange(int first, int count)
    {
        if (first < 0 || count < 0 || first > Count - count)
            throw new DataException($"'{Name}' has {Count} images, so {count} images from number {first} on cannot be taken; ask for a range inside 0..{Count}.");
    }

    private protected int FirstIdOf(int first, int count) => _ids is null && count > 0 ? _firstId + first : 0;

    private protected int[]? IdsOf(int first, int count) => _ids?[first..(first + count)];

    private protected int[] IdsOf(ReadOnlySpan<int> indices)
    {
        int[] ids = new int[indices.Length];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = Id(indices[i]);
        return ids;
    }

    private protected void Check(int index)
    {
        if ((uint)index >= (uint)Count)
            throw new DataException($"'{Name}' has {Count} images and no number {index}; use numbers from 0 to {Count - 1}.");
    }
}
