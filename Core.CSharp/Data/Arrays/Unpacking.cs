namespace GapLab.Data.Arrays;

/// <summary>Reading whole files into memory; compressed data are of unknown length, and a few bytes made for the purpose could otherwise exhaust it.</summary>
internal static class Unpacking
{
    private const int FirstBlock = 1 << 14;
    private const long AlwaysAllowed = 1 << 26;

    // Handwritten digits as 0/1 in eight bytes each, which is as wasteful as data get, compress a hundred times.
    private const long LargestRatio = 250;

    /// <summary>How many bytes a compressed file of some size may unfold to.</summary>
    public static long LimitOf(long packedBytes) => Math.Max(AlwaysAllowed, LargestRatio * packedBytes);

    /// <summary>Reads everything; memory grows with the data, to at most 64 MB or 250 times the packed size.</summary>
    /// <param name="name">What is read, for messages.</param>
    /// <param name="packedBytes">Size of the compressed file.</param>
    /// <param name="fill">Fills the buffer unless the data end; returns the number of bytes.</param>
    public static byte[] ReadAll(string name, long packedBytes, Func<Memory<byte>, int> fill)
    {
        long limit = Math.Min(Array.MaxLength - 1, LimitOf(packedBytes));
        byte[] bytes = new byte[Math.Min(FirstBlock, limit)];
        int filled = 0;
        while (true)
        {
            filled += fill(bytes.AsMemory(filled));
            if (filled < bytes.Length)
                break;
            if (filled > limit)
                throw new DataException($"'{name}' unpacks to more than {limit} bytes, out of all proportion to the {packedBytes} of its file; save it uncompressed if that is right.");
            Array.Resize(ref bytes, (int)Math.Min(limit + 1, 2L * bytes.Length));
        }

        Array.Resize(ref bytes, filled);
        return bytes;
    }

    /// <summary>Reads a file that is not compressed.</summary>
    public static byte[] ReadPlain(UnpackedFile file)
    {
        if (file.StoredBytes > Array.MaxLength)
            throw new DataException($"'{file.Path}' has {file.StoredBytes} bytes, more than can be read at once; split it, or save it as bytes.");
        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)file.StoredBytes);
        return file.Read(bytes) == bytes.Length
            ? bytes
            : throw new DataException($"'{file.Path}' became shorter while it was read; read it again when it is complete.");
    }
}
