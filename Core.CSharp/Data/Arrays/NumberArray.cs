namespace GapLab.Data.Arrays;

/// <summary>
/// What a reader of arrays found: N images or vectors, row-major, as bytes where the file holds whole numbers from 0 to 255, as real numbers
/// otherwise.
/// </summary>
internal sealed class NumberArray
{
    private NumberArray(int height, int width, byte[]? bytes, float[]? reals)
    {
        Height = height;
        Width = width;
        Bytes = bytes;
        Reals = reals;
    }

    /// <summary>Rows per image; 1 for vectors.</summary>
    public int Height { get; }

    /// <summary>Columns per image; the length of vectors.</summary>
    public int Width { get; }

    /// <summary>The numbers if they are bytes.</summary>
    public byte[]? Bytes { get; }

    /// <summary>The numbers if they are not bytes.</summary>
    public float[]? Reals { get; }

    /// <summary>Number of images or vectors.</summary>
    public int Count => (Bytes?.Length ?? Reals!.Length) / (Height * Width);

    public static NumberArray Of(int height, int width, byte[] values) => new(height, width, values, null);

    public static NumberArray Of(int height, int width, float[] values) => new(height, width, null, values);

    /// <summary>Turns the bytes 0 and 1 into 0 and 255, no ink and full ink.</summary>
    public void Darken()
    {
        foreach (ref byte value in Bytes.AsSpan())
            value *= byte.MaxValue;
    }

    /// <summary>The numbers as a part of a data set, with ids from <paramref name="firstId"/> on.</summary>
    public DataPart ToPart(string name, int firstId) =>
        Bytes is not null ? new ImageSet(name, Height, Width, Bytes, firstId) : new ArraySet(name, Height, Width, Reals, firstId);
}
