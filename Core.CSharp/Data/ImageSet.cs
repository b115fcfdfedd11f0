namespace GapLab.Data;

/// <summary>
/// An immutable list of equally sized images with one byte per pixel and channel, datapoint-major and row-major, channels innermost: 0 is background, 255 full ink.
/// Pixels are intensities; <see cref="Binarization"/> turns them into the 0/1 values a Bernoulli model is trained on.
/// Files that hold 0/1 (fixed binarizations) are stored as 0/255, so the same code serves both; <see cref="IsBinary"/> tells them apart.
/// </summary>
public sealed class ImageSet : DataPart
{
    private readonly ReadOnlyMemory<byte> _pixels;

    /// <summary>Wraps pixels without copying them; the caller must not change the memory afterwards.</summary>
    /// <param name="name">What the images are, used in messages, for example "mnist/train".</param>
    /// <param name="height">Rows per image. Range: height ≥ 1.</param>
    /// <param name="width">Columns per image. Range: width ≥ 1.</param>
    /// <param name="pixels">[count, height, width, channels], one byte each.</param>
    /// <param name="firstId">The <see cref="DataPart.Id"/> of the first image; the others count on from it. Range: firstId ≥ 0.</param>
    /// <param name="channels">Bytes per pixel: 1 for grey, 3 for red, green and blue. Range: channels ≥ 1.</param>
    /// <exception cref="DataException">The sizes are not positive, or the pixels do not fill a whole number of images.</exception>
    public ImageSet(string name, int height, int width, ReadOnlyMemory<byte> pixels, int firstId = 0, int channels = 1)
        : this(name, height, width, channels, pixels, firstId, null)
    {
    }

    private ImageSet(string name, int height, int width, int channels, ReadOnlyMemory<byte> pixels, int firstId, int[]? ids)
        : base(name, height, width, channels, pixels.Length, firstId, ids)
    {
        IsBinary = !pixels.Span.ContainsAnyExcept((byte)0, byte.MaxValue);
        _pixels = pixels;
    }

    /// <summary>Whether every pixel is 0 or 255.</summary>
    public override bool IsBinary { get; }

    /// <summary>Always: a pixel's intensity is its byte divided by 255.</summary>
    public override bool HasIntensities => true;

    /// <summary>All pixels, [Count, Height, Width, Channels].</summary>
    public ReadOnlySpan<byte> AllPixels => _pixels.Span;

    /// <summary>The pixels of one image, [Height, Width, Channels].</summary>
    /// <exception cref="DataException">There is no image of that number.</exception>
    public ReadOnlySpan<byte> Pixels(int index)
    {
        Check(index);
        return _pixels.Span.Slice(index * PixelCount, PixelCount);
    }

    /// <summary>The images first .. first + count - 1; shares the pixels.</summary>
    /// <param name="first">Number of the first image. Range: 0 ≤ first ≤ Count.</param>
    /// <param name="count">How many. Range: 0 ≤ count ≤ Count - first.</param>
    /// <param name="name">The new set's name; by default this set's.</param>
    /// <exception cref="DataException">The range reaches outside the set.</exception>
    public ImageSet Slice(int first, int count, string? name = null)
    {
        CheckRange(first, count);
        return new ImageSet(
            name ?? Name, Height, Width, Channels, _pixels.Slice(first * PixelCount, count * PixelCount), FirstIdOf(first, count), IdsOf(first, count));
    }

    /// <summary>The first images; shares the pixels.</summary>
    /// <param name="count">How many. Range: 0 ≤ count ≤ Count.</param>
    /// <exception cref="DataException">The set has fewer images.</exception>
    public ImageSet Take(int count) => Slice(0, count);

    /// <summary>The images of the given numbers, in the given order, repeats allowed; copies their pixels.</summary>
    /// <exception cref="DataException">A number is outside the set, or the result would not fit an array.</exception>
    public ImageSet Select(ReadOnlySpan<int> indices) => Select(indices, Name);

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
        if (parts.FirstOrDefault(p => (p.Height, p.Width, p.Channels) != (head.Height, head.Width, head.Channels)) is { } other)
        {
            throw new DataException(
                $"'{head.Name}' ({head.Size}) and '{other.Name}' ({other.Size}) cannot be joined; use images of one size.");
        }

        if (parts.Count == 1)
        {
            return new ImageSet(name, head.Height, head.Width, head._pixels, firstId, head.Channels);
        }

        byte[] pixels = Allocate<byte>(name, parts.Sum(p => (long)p._pixels.Length));
        int at = 0;
        foreach (ImageSet part in parts)
        {
            part.AllPixels.CopyTo(pixels.AsSpan(at));
            at += part._pixels.Length;
        }

        return new ImageSet(name, head.Height, head.Width, pixels, firstId, head.Channels);
    }

    internal override DataPart Choose(ReadOnlySpan<int> indices, string? name = null) => Select(indices, name ?? Name);

    internal override DataPart Range(int first, int count, string name) => Slice(first, count, name);

    private ImageSet Select(ReadOnlySpan<int> indices, string name)
    {
        byte[] pixels = Allocate<byte>(Name, (long)indices.Length * PixelCount);
        for (int i = 0; i < indices.Length; i++)
            Pixels(indices[i]).CopyTo(pixels.AsSpan(i * PixelCount));
        return new ImageSet(name, Height, Width, Channels, pixels, 0, IdsOf(indices));
    }
}
