using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;

namespace GapLab.Data.Arrays;

/// <summary>
/// The header of a .npy file: six bytes of signature, two of version, the length of a text and the text, a Python dictionary such as
/// {'descr': '&lt;f4', 'fortran_order': False, 'shape': (60000, 784), }.
/// </summary>
/// <param name="Kind">Kind of the elements: b (bool), i, u (integers), f (floating point).</param>
/// <param name="Size">Bytes per element.</param>
/// <param name="IsBigEndian">Whether an element's most significant byte comes first.</param>
/// <param name="Shape">The dimensions.</param>
/// <param name="Bytes">Length of the header: where the elements begin.</param>
internal sealed partial record NpyHeader(char Kind, int Size, bool IsBigEndian, int[] Shape, int Bytes)
{
    private const string Known = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8";

    // What NumPy writes is below 200 bytes.
    private const int LongestText = 1 << 16;

    private static ReadOnlySpan<byte> Signature => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>The number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Reads a header, and refuses one that claims other elements than follow it.</summary>
    /// <param name="name">What the file is called, for messages.</param>
    /// <param name="file">The whole file.</param>
    public static NpyHeader Read(string name, ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Signature))
            throw new DataException($"'{name}' is no .npy file: it does not start with the signature 93 'NUMPY'; write it with numpy.save.");
        if (file.Length < 12)
            throw Cut(name, file.Length);
        if (file[6] is < 1 or > 3)
            throw new DataException($"'{name}' is a .npy file of version {file[6]}.{file[7]}, and only 1 to 3 can be read; write it with numpy.save.");

        int start = file[6] == 1 ? 10 : 12;
        uint length = file[6] == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(file[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(file[8..]);
        if (length > LongestText)
            throw new DataException($"'{name}' claims a .npy header of {length} bytes, and the longest that makes sense has {LongestText}; it is damaged, so write it again.");
        if (length > file.Length - start)
            throw Cut(name, file.Length);

        string text = Encoding.Latin1.GetString(file.Slice(start, (int)length));
        string type = Entry(name, text, TypePattern(), "element type", $"save one of the plain types ({Known})");
        string order = Entry(name, text, OrderPattern(), "fortran_order", "write it with numpy.save");
        string shape = Entry(name, text, ShapePattern(), "shape", "write it with numpy.save");
        if (!Known.Split(' ').Contains(type[1..]))
            throw new DataException($"'{name}' holds elements of type '{type}', which cannot be read; convert them to one of {Known.Replace(" ", ", ")}.");
        if (order == "True")
            throw new DataException($"'{name}' is stored column by column (fortran_order), which is not read; save numpy.ascontiguousarray of it.");

        NpyHeader header = new(type[1], type[2] - '0', type[0] == '>', Dimensions(name, shape), start + (int)length);
        long expected = header.Elements * header.Size;
        long found = file.Length - header.Bytes;
        if (found < expected)
            throw new DataException($"'{name}' is cut off: its header claims ({shape.Trim()}) elements, {expected} bytes, and {found} follow; write it again.");
        if (found > expected)
            throw new DataException($"'{name}' goes on after the ({shape.Trim()}) elements of its header (from byte {header.Bytes + expected}); write it again.");
        return header;
    }

    private static string Entry(string name, string text, Regex pattern, string what, string remedy)
    {
        Match match = pattern.Match(text);
        return match.Success
            ? match.Groups[1].Value
            : throw new DataException($"The .npy header of '{name}' gives no {what} that can be read; {remedy}.");
    }

    private static int[] Dimensions(string name, string shape)
    {
        string[] sizes = shape.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (sizes.Length > 4)
            throw new DataException($"'{name}' has {sizes.Length} dimensions, and only 2 to 4 can be read: datapoints, and vectors or images; reshape it.");
        int[] dimensions = new int[sizes.Length];
        Int128 product = 1;
        for (int d = 0; d < sizes.Length; d++)
        {
            if (!int.TryParse(sizes[d], out dimensions[d]))
                throw new DataException($"'{name}' claims a dimension of {sizes[d]}, more than can be held in memory; it is damaged, so write it again.");
            product *= dimensions[d];
        }

        return product <= Array.MaxLength
            ? dimensions
            : throw new DataException($"'{name}' claims {product} elements ({shape.Trim()}), more than can be held in memory; split it or write it again.");
    }

    private static DataException Cut(string name, int length) => new($"'{name}' ends inside its .npy header (after {length} bytes); write it again.");

    [GeneratedRegex(@"'descr'\s*:\s*'([<>|=][a-zA-Z]\d{1,4})'")]
    private static partial Regex TypePattern();

    [GeneratedRegex(@"'fortran_order'\s*:\s*(True|False)")]
    private static partial Regex OrderPattern();

    [GeneratedRegex(@"'shape'\s*:\s*\(([0-9, ]{0,200})\)")]
    private static partial Regex ShapePattern();
}
