using System.Buffers.Binary;

namespace GapLab.Data;

/// <summary>
/// Reads idx files, the format of MNIST: two zero bytes, a type byte (08 = unsigned byte, the only one read here), the number of
/// dimensions (1 to 3), each size as a big-endian 32-bit integer, then the values in row-major order and nothing after them.
/// </summary>
public static class IdxReader
{
    private const byte UnsignedByte = 0x08;
    private const int FirstBlockBytes = 1 << 20;

    /// <summary>Reads a plain or gzip-compressed file; memory grows with the data present, not with what the header claims.</summary>
    /// <param name="path">The file.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <param name="dimensions">Expected sizes, or null to accept any.</param>
    /// <exception cref="DataException">The file is missing, malformed, truncated, too long, or not the expected one.</exception>
    public static IdxArray Read(string path, string? sha256 = null, IReadOnlyList<int>? dimensions = null)
    {
        using UnpackedFile file = UnpackedFile.Open(path);
        int[] sizes = ReadHeader(file);
        if (dimensions is not null && !sizes.SequenceEqual(dimensions))
        {
            throw new DataException($"'{file.Path}' holds {Text(sizes)} values where {Text(dimensions)} were expected; check that it is the right file.");
        }

        byte[] values = ReadValues(file, Total(file, sizes), sizes);
        Span<byte> beyond = stackalloc byte[1];
        if (file.Read(beyond) != 0)
        {
            throw new DataException(
                $"'{file.Path}' goes on after the {Text(sizes)} values of its header (from byte {file.Position - 1} of the unpacked data); fetch it again.");
        }

        return new IdxArray(sizes, values, file.Finish(sha256));
    }

    /// <summary>Reads a three-dimensional file [N, height, width] as images with ids from 0.</summary>
    /// <param name="path">The file.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <exception cref="DataException">As <see cref="Read"/>, or the file does not hold images.</exception>
    public static ImageSet ReadImages(string path, string? sha256 = null) => ToImages(Read(path, sha256));

    internal static ImageSet ToImages(IdxArray array) =>
        array.Dimensions is [_, >= 1, >= 1]
            ? new ImageSet(Path.GetFileName(array.File.Path), array.Dimensions[1], array.Dimensions[2], array.Values)
            : throw new DataException(
                $"'{array.File.Path}' holds {Text(array.Dimensions)} values, which are not images; name a file with three dimensions, such as train-images-idx3-ubyte.");

    private static int[] ReadHeader(UnpackedFile file)
    {
        Span<byte> word = stackalloc byte[4];
        if (file.Read(word) < 4)
        {
            throw new DataException($"'{file.Path}' ends inside the 4-byte idx signature; fetch it again.");
        }

        if (word[0] != 0 || word[1] != 0)
        {
            throw new DataException(
                $"'{file.Path}' is no idx file: it starts with {word[0]:x2} {word[1]:x2} instead of 00 00; check that it is the right file.");
        }

        if (word[2] != UnsignedByte)
        {
            throw new DataException(
                $"'{file.Path}' holds idx values of type {word[2]:x2} (byte 2), and only 08, unsigned bytes, can be read; convert it to unsigned bytes.");
        }

        int rank = word[3];
        if (rank is < 1 or > 3)
        {
            throw new DataException($"'{file.Path}' claims {rank} dimensions (byte 3), and only 1 to 3 can be read; check that it is the right file.");
        }

        int[] sizes = new int[rank];
        for (int d = 0; d < rank; d++)
        {
            if (file.Read(word) < 4)
            {
                throw new DataException($"'{file.Path}' ends inside its idx header, in the size of dimension {d}; fetch it again.");
            }

            uint size = BinaryPrimitives.ReadUInt32BigEndian(word);
            if (size > Array.MaxLength)
            {
                throw new DataException(
                    $"'{file.Path}' claims a dimension of {size} (byte {file.Position - 4}), more than can be held in memory; the header is damaged or the file is not idx.");
            }

            sizes[d] = (int)size;
        }

        return sizes;
    }

    private static int Total(UnpackedFile file, int[] sizes)
    {
        // Three factors below 2^31 overflow 64 bits, so the product is formed in 128.
        Int128 total = sizes.Aggregate((Int128)1, (product, size) => product * size);
        if (total > Array.MaxLength)
        {
            throw new DataException(
                $"The idx header of '{file.Path}' claims {Text(sizes)} = {total} values, more than can be held in memory; it is damaged or the file is not idx.");
        }

        if (!file.IsPacked && file.Position + total > file.StoredBytes)
        {
            throw Truncated(file, sizes, file.StoredBytes);
        }

        return (int)total;
    }

    private static byte[] ReadValues(UnpackedFile file, int total, int[] sizes)
    {
        // A packed file's length is unknown, so the array is doubled as data arrives; a lying header costs one block.
        byte[] values = new byte[file.IsPacked ? Math.Min(total, FirstBlockBytes) : total];
        int filled = 0;
        while (true)
        {
            filled += file.Read(values.AsSpan(filled));
            if (filled < values.Length)
            {
                throw Truncated(file, sizes, file.Position);
            }

            if (filled == total)
            {
                return values;
            }

            Array.Resize(ref values, (int)Math.Min(total, 2L * values.Length));
        }
    }

    private static DataException Truncated(UnpackedFile file, int[] sizes, long end) =>
        new($"'{file.Path}' is cut off: its header claims {Text(sizes)} values, but the unpacked data end at byte {end}; fetch it again.");

    private static string Text(IReadOnlyList<int> sizes) => string.Join('x', sizes);
}
