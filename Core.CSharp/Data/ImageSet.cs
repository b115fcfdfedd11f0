namespace GapLab.Data;

/// <summary>
/// An immutable list of equally sized images with one byte per pixel, datapoint-major and row-major: 0 is background, 255 full ink.
/// Pixels are intensities; <see cref="Binarization"/> turns them into the 0/1 values a Bernoulli model is trained on.
/// Files that hold 0/1 (fixed binarizations) are stored as 0/255, so the same code serves both; <see cref="IsBinary"/> tells them apart.
/// </summary>
/// <remarks>
/// Every image carries an <see cref="Id"/>, its number in the data set it came from. It survives slicing and selection, and random
/// binarization is keyed by it, so an image has the same bits in whichever subset or batch it turns up.
/// </remarks>
public sealed class ImageSet
{
    private readonly ReadOnlyMemory<byte> _pixels;
    private readonly int[]? _ids;
    private readonly int _firstId;

    /// <summary>Wraps pixels without copying them; the caller must not change the memory afterwards.</summary>
    /// <param name="name">What the images are, used in messages, for example "mnist/train".</param>
    /// <param name="height">Rows per image. Range: height ≥ 1.</param>
    /// <param name="width">Columns per image. Range: width ≥ 1.</param>
    /// <param name="pixels">[count, height, width], one byte each.</param>
    /// <param name="firstId">The <see cref="Id"/> of the first image; the others count on from it. Range: firstId ≥ 0.</param>
    /// <exception cref="DataException">The sizes are not positive, or the pixels do not fill a whole number of images.</exception>
    public ImageSet(string name, int height, int width, ReadOnlyMemory<byte> pixels, int firstId = 0)
        : this(name, height, width, pixels, firstId, null)
    {
    }

    private ImageSet(string name, int height, int width, ReadOnlyMemory<byte> pixels, int firstId, int[]? ids)
    {
        ArgumentNullException.ThrowIfNull(name);
        long size = (long)height * width;
        if (height < 1 || width < 1 || size > Array.MaxLength)
        {
            throw new DataException($"Images of '{name}' cannot be {height}x{width}; give a height and a width of at least 1 whose product fits an array.");
        }

        if (pixels.Length % size != 0)
        {
            throw new DataException($"'{name}' has {pixels.Length} pixels, which is no whole number of {height}x{width} images; check the size.");
        }

        int count = (int)(pixels.Length / size);
        if (firstId < 0 || (long)firstId + count - 1 > int.MaxValue)
        {
            throw new DataException($"'{name}' cannot number {count} images from {firstId} on; use a first id between 0 and {int.MaxValue - count + 1L}.");
        }

        Name = name;
        Count = count;
        Height = height;
        Width = width;
        IsBinary = !pixels.Span.ContainsAnyExcept((byte)0, byte.MaxValue);
        _pixels = pixels;
        _firstId = firstId;
        _ids = ids;
    }

    /// <summary>What the images are, for example "mnist/train".</summary>
    public string Name { get; }

    /// <summary>Number of images; 0 is allowed (an empty validation set).</summary>
    public int Count { get; }

    /// <summary>Rows per image.</summary>
    public int Height { get; }

    /// <summary>Columns per image.</summary>
    public int Width { get; }

    /// <summary>Channels per pixel; always 1 for the grey images of this type.</summary>
    public int Channels => 1;

    /// <summary>Pixels per image: <see cref="Height"/> times <see cref="Width"/>.</summary>
    public int PixelCount => Height * Width;

    /// <summary>Whether every pixel is 0 or 255.</summary>
    public bool IsBinary { get; }

    /// <summary>All pixels, [Count, Height, Width].</summary>
    public ReadOnlySpan<byte> AllPixels => _pixels.Span;

    /// <summary>The pixels of one image, [Height, Width].</summary>
    /// <exception cref="DataException">There is no image of that number.</exception>
    public ReadOnlySpan<byte> Pixels(int index)
    {
        Check(index);
        return _pixels.Span.Slice(index * PixelCount, PixelCount);
    }

    /// <summary>The image's number in the data set it came from; unique over the training, validation and test parts.</summary>
    /// <exception cref="DataException">There is no image of that number.</exception>
    public int Id(int index)
    {
        Check(index);
        return _ids is null ? _firstId + index : _ids[index];
    }

    /// <summary>The images first .. first + count - 1; shares the pixels.</summary>
    /// <param name="first">Number of the first image. Range: 0 ≤ first ≤ Count.</param>
    /// <param name="count">How many. Range: 0 ≤ count ≤ Count - first.</param>
    /// <param name="name">The new set's name; by default this set's.</param>
    /// <exception cref="DataException">The range reaches outside the set.</exception>
    public ImageSet Slice(int first, int count, string? name = null)
    {
        if (first < 0 || count < 0 || first > Count - count)
        {
            throw new DataException(
                $"'{Name}' has {Count} images, so {count} images from number {first} on cannot be taken; ask for a range inside 0..{Count}.");
        }

        int firstId = _ids is null && count > 0 ? _firstId + first : 0;
        return new ImageSet(
            name ?? Name, Height, Width, _pixels.Slice(first * PixelCount, count * PixelCount), firstId, _ids?[first..(first + count)]);
    }

    /// <summary>The first images; shares the pixels.</summary>
    /// <param name="count">How many. Range: 0 ≤ count ≤ Count.</param>
    /// <exception cref="DataException">The set has fewer images.</exception>
    public ImageSet Take(int count) => Slice(0, count);

    /// <summary>The images of the given numbers, in the given order, repeats allowed; copies their pixels.</summary>
    /// <exception cref="DataException">A number is outside the set, or the result would not fit an array.</exception>
    public ImageSet Select(ReadOnlySpan<int> indices)
    {
        byte[] pixels = Allocate(Name, (long)indices.Length * PixelCount);
        int[] ids = new int[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            Pixels(indices[i]).CopyTo(pixels.AsSpan(i * PixelCount));
            ids[i] = Id(indices[i]);
        }

        return new ImageSet(Name, Height, Width, pixels, 0, ids);
    }

    /// <summary>Several sets one after the other, numbered afresh from <paramref name="firstId"/>; copies the pixels unless there is only one set.</summary>
    /// <exception cref="DataException">No set is given, their image sizes differ, or the result would not fit an array.</exception>
    public static ImageSet Concatenate(string name, IReadOnlyList<ImageSet> parts, int firstId = 0)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Count == 0)
        {
            throw new DataException($"'{name}' cannot be put together from no image sets; give at least one.");
        }

        ImageSet head = parts[0];
        if (parts.FirstOrDefault(p => p.Height != head.Height || p.Width != head.Width) is { } other)
        {
            throw new DataException(
                $"'{head.Name}' ({head.Height}x{head.Width}) and '{other.Name}' ({other.Height}x{other.Width}) cannot be joined; use images of one size.");
        }

        if (parts.Count == 1)
        {
            return new ImageSet(name, head.Height, head.Width, head._pixels, firstId);
        }

        byte[] pixels = Allocate(name, parts.Sum(p => (long)p._pixels.Length));
        int at = 0;
        foreach (ImageSet part in parts)
        {
            part.AllPixels.CopyTo(pixels.AsSpan(at));
            at += part._pixels.Length;
        }

        return new ImageSet(name, head.Height, head.Width, pixels, firstId);
    }

    /// <summary>Name, count and size, for messages and logs.</summary>
    public override string ToString() => $"{Name}: {Count} images of {Height}x{Width}";

    private static byte[] Allocate(string name, long bytes) =>
        bytes <= Array.MaxLength
            ? GC.AllocateUninitializedArray<byte>((int)bytes)
            : throw new DataException($"'{name}' would need {bytes} bytes of pixels, more than one array can hold; use fewer images.");

    private void Check(int index)
    {
        if ((uint)index >= (uint)Count)
        {
            throw new DataException($"'{Name}' has {Count} images and no number {index}; use numbers from 0 to {Count - 1}.");
        }
    }
}
