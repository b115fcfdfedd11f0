using System.IO.Compression;

namespace GapLab.Data.Arrays;

/// <summary>One variable of a MATLAB file, read from a stream: a sequence of elements, each with a tag that says its type and length, padded to eight bytes.</summary>
internal sealed class MatVariable
{
    private const int MatrixType = 14;
    private const int CompressedType = 15;
    private const int Alignment = 8;
    private const int LongestName = 1 << 10;
    private const int MostDimensions = 32;
    private const int FirstBlock = 1 << 16;
    private const int ComplexFlag = 0x0800;
    private const int LogicalFlag = 0x0200;
    private const int FirstNumericClass = 6;
    private const int LastNumericClass = 13;
    private const int UnsignedByteClass = 9;

    private readonly UnpackedFile _file;
    private readonly Stream _stream;
    private readonly long _limit;
    private long _taken;

    private MatVariable(UnpackedFile file, Stream stream, long limit)
    {
        _file = file;
        _stream = stream;
        _limit = limit;
    }

    /// <summary>The sizes.</summary>
    public int[] Dimensions { get; private set; } = [];

    /// <summary>The numbers if their class is that of unsigned bytes or logicals.</summary>
    public byte[]? Bytes { get; private set; }

    /// <summary>The numbers otherwise.</summary>
    public float[]? Reals { get; private set; }

    /// <summary>Reads the element that follows a tag if it is the wanted variable; otherwise passes over it.</summary>
    /// <param name="file">The file, after the tag.</param>
    /// <param name="type">The tag's type.</param>
    /// <param name="length">The tag's length.</param>
    /// <param name="wanted">The name of the variable that is wanted.</param>
    /// <param name="names">The name is added here.</param>
    /// <returns>The variable, or null for another one.</returns>
    public static MatVariable? Read(UnpackedFile file, int type, uint length, string wanted, List<string> names)
    {
        using BoundedStream content = new(file, length);
        MatVariable? found = null;
        if (type is MatrixType or CompressedType)
        {
            try
            {
                using ZLibStream? inflating = type == CompressedType ? new ZLibStream(content, CompressionMode.Decompress, leaveOpen: true) : null;
                MatVariable variable = new(file, inflating ?? (Stream)content, inflating is null ? length : Unpacking.LimitOf(length));
                if (inflating is not null && variable.Tag() is not (MatrixType, _, _))
                    throw variable.Damaged("is compressed but no variable");
                found = variable.TryRead(wanted, names) ? variable : null;
            }
            catch (Exception e) when (e is InvalidDataException or IOException)
            {
                throw new DataException($"'{file.Path}' is damaged: unpacking a variable failed near byte {file.Position}; fetch it again.", e);
            }
        }

        if (!content.Drain())
            throw new DataException($"'{file.Path}' is cut off: its unpacked data end at byte {file.Position}, inside a variable; fetch it again.");
        // What is not compressed is padded.
        int padding = type == CompressedType ? 0 : (int)((Alignment - (length % Alignment)) % Alignment);
        Span<byte> pad = stackalloc byte[Alignment];
        _ = file.Read(pad[..padding]);
        return found;
    }

    private bool TryRead(string wanted, List<string> names)
    {
        ReadOnlySpan<byte> flags = Element(Alignment);
        if (flags.Length != Alignment)
            throw Damaged("has no flags");
        int kind = flags[0], bits = BitConverter.ToInt32(flags);
        byte[] dimensions = Element(4 * MostDimensions);
        byte[] nameBytes = Element(LongestName);
        string name = MatReader.Shown(nameBytes);
        names.Add(name);
        if (name != wanted)
            return false;
        if (kind is < FirstNumericClass or > LastNumericClass || (bits & ComplexFlag) != 0)
            throw new DataException($"'{name}' of '{_file.Path}' is no array of real numbers, but of MATLAB's class {kind}{((bits & ComplexFlag) != 0 ? " with complex numbers" : "")}; save it as a full array of real numbers.");
        Dimensions = MatReader.RequireDimensions(_file, name, dimensions);
        int count = Dimensions.Aggregate(1, (product, size) => product * size);
        (int type, long length, byte[]? small) = Tag();
        int size = SizeOf(type);
        if (size == 0 || length != (long)count * size)
            throw Damaged($"'{name}' has {length} bytes of type {type} for {string.Join('x', Dimensions)} numbers");
        byte[] bytes = small ?? Take(length);
        if (type == 2 && (kind == UnsignedByteClass || (bits & LogicalFlag) != 0))
            Bytes = bytes;
        else
            Reals = Convert(type, size, bytes, count);
        return true;
    }

    // An element of at most so many bytes, without its padding.
    private byte[] Element(int most)
    {
        (int _, long length, byte[]? small) = Tag();
        if (small is not null)
            return small;
        if (length > most)
            throw Damaged($"has a header of {length} bytes");
        byte[] bytes = Take(length);
        _ = Take((Alignment - (length % Alignment)) % Alignment);
        return bytes;
    }

    // The next tag; up to four bytes of content may stand in the tag itself.
    private (int Type, long Length, byte[]? Small) Tag()
    {
        byte[] tag = Take(8);
        int type = BitConverter.ToInt32(tag);
        int smallLength = type >>> 16;
        if (smallLength == 0)
            return (type, BitConverter.ToUInt32(tag, 4), null);
        return smallLength <= 4 ? (type & 0xffff, smallLength, tag[4..(4 + smallLength)]) : throw Damaged("has a tag that cannot be");
    }

    private byte[] Take(long length)
    {
        _taken += length;
        if (length > Array.MaxLength || _taken > _limit)
            throw Damaged($"claims {length} bytes, more than there can be");
        byte[] bytes = new byte[Math.Min(length, FirstBlock)];
        int filled = 0;
        while (filled < length)
        {
            if (filled == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(length, 2L * bytes.Length));
            int read = _stream.Read(bytes, filled, bytes.Length - filled);
            if (read == 0)
                throw new DataException($"'{_file.Path}' is cut off: its unpacked data end at byte {_file.Position}, inside a variable; fetch it again.");
            filled += read;
        }

        return bytes;
    }

    private DataException Damaged(string what) => new($"'{_file.Path}' is damaged: before byte {_file.Position} a variable {what}; fetch it again.");

    private static int SizeOf(int type) => type switch
    {
        1 or 2 => 1,
        3 or 4 => 2,
        5 or 6 or 7 => 4,
        9 or 12 or 13 => 8,
        _ => 0,
    };

    // MATLAB stores whole numbers in the smallest type that holds them, whatever the array's class.
    private static float[] Convert(int type, int size, byte[] bytes, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> at = bytes.AsSpan(i * size);
            values[i] = type switch
            {
                1 => (sbyte)at[0],
                2 => at[0],
                3 => BitConverter.ToInt16(at),
                4 => BitConverter.ToUInt16(at),
                5 => BitConverter.ToInt32(at),
                6 => BitConverter.ToUInt32(at),
                7 => BitConverter.ToSingle(at),
                9 => (float)BitConverter.ToDouble(at),
                12 => BitConverter.ToInt64(at),
                _ => BitConverter.ToUInt64(at),
            };
        }

        return values;
    }
}
