using System.Buffers.Binary;

namespace GapLab.Data;

/// <summary>One named array of a <see cref="SafetensorsFile"/>: row-major, little-endian, its numbers as stored.</summary>
/// <param name="Name">Unique in its file, and not "__metadata__".</param>
/// <param name="Type">The element type in the format's own words: "F32", "F64", "BF16", "I64", "U8", ...</param>
/// <param name="Shape">The sizes of the axes; none for a single number.</param>
/// <param name="Data">The bytes: the product of the shape times the size of an element.</param>
public sealed record SafetensorsEntry(string Name, string Type, IReadOnlyList<long> Shape, ReadOnlyMemory<byte> Data)
{
    /// <summary>The types of the format whose elements are whole bytes, with their sizes.</summary>
    private static readonly Dictionary<string, int> Sizes = new(StringComparer.Ordinal)
    {
        ["BOOL"] = 1,
        ["U8"] = 1,
        ["I8"] = 1,
        ["F8_E5M2"] = 1,
        ["F8_E4M3"] = 1,
        ["F8_E8M0"] = 1,
        ["I16"] = 2,
        ["U16"] = 2,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I32"] = 4,
        ["U32"] = 4,
        ["F32"] = 4,
        ["I64"] = 8,
        ["U64"] = 8,
        ["F64"] = 8,
        ["C64"] = 8,
    };

    /// <summary>An entry of type F32.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="values">Its numbers, row-major; copied.</param>
    /// <exception cref="DataException">The shape asks for another number of values.</exception>
    public static SafetensorsEntry FromFloats(string name, IReadOnlyList<long> shape, ReadOnlySpan<float> values)
    {
        byte[] data = Room(sizeof(float), values.Length);
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(i * sizeof(float)), values[i]);
        return Checked(new SafetensorsEntry(name, "F32", shape, data));
    }

    /// <summary>An entry of type F64.</summary>
    /// <inheritdoc cref="FromFloats"/>
    public static SafetensorsEntry FromDoubles(string name, IReadOnlyList<long> shape, ReadOnlySpan<double> values)
    {
        byte[] data = Room(sizeof(double), values.Length);
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteDoubleLittleEndian(data.AsSpan(i * sizeof(double)), values[i]);
        return Checked(new SafetensorsEntry(name, "F64", shape, data));
    }

    /// <summary>An entry of type I64.</summary>
    /// <inheritdoc cref="FromFloats"/>
    public static SafetensorsEntry FromInt64(string name, IReadOnlyList<long> shape, ReadOnlySpan<long> values)
    {
        byte[] data = Room(sizeof(long), values.Length);
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(data.AsSpan(i * sizeof(long)), values[i]);
        return Checked(new SafetensorsEntry(name, "I64", shape, data));
    }

    /// <summary>The numbers of an entry of type F16, BF16, F32 or F64, exactly.</summary>
    /// <exception cref="DataException">Another type, or a float64 number that is no float32 number: <see cref="ToDoubles"/> reads those.</exception>
    public float[] ToFloats()
    {
        double[]? wide = Type == "F64" ? ToDoubles() : null;
        var values = new float[Count("float32 numbers", "F16", "BF16", "F32", "F64")];
        ReadOnlySpan<byte> data = Data.Span;
        for (int i = 0; i < values.Length; i++)
            values[i] = wide is null ? Narrow(data, i) : Exactly(wide[i], i);
        return values;
    }

    /// <summary>The numbers of an entry of type F16, BF16, F32 or F64, exactly.</summary>
    /// <exception cref="DataException">Another type.</exception>
    public double[] ToDoubles()
    {
        var values = new double[Count("float64 numbers", "F16", "BF16", "F32", "F64")];
        ReadOnlySpan<byte> data = Data.Span;
        for (int i = 0; i < values.Length; i++)
            values[i] = Type == "F64" ? BinaryPrimitives.ReadDoubleLittleEndian(data[(i * sizeof(double))..]) : Narrow(data, i);
        return values;
    }

    /// <summary>The numbers of an entry of a signed type, or of an unsigned one below 64 bits.</summary>
    /// <exception cref="DataException">Another type.</exception>
    public long[] ToInt64()
    {
        var values = new long[Count("integers", "I8", "U8", "I16", "U16", "I32", "U32", "I64")];
        int size = Sizes[Type];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> element = Data.Span.Slice(i * size, size);
            values[i] = Type switch
            {
                "I8" => (sbyte)element[0],
                "U8" => element[0],
                "I16" => BinaryPrimitives.ReadInt16LittleEndian(element),
                "U16" => BinaryPrimitives.ReadUInt16LittleEndian(element),
                "I32" => BinaryPrimitives.ReadInt32LittleEndian(element),
                "U32" => BinaryPrimitives.ReadUInt32LittleEndian(element),
                _ => BinaryPrimitives.ReadInt64LittleEndian(element),
            };
        }
        return values;
    }

    /// <summary>What keeps type, shape and this many bytes from belonging together, as the end of a sentence; null if nothing does.</summary>
    internal static string? Problem(string type, IReadOnlyList<long> shape, long bytes)
    {
        if (!Sizes.TryGetValue(type, out int size))
            return $"is of the type '{Shown(type)}', which is not one of {string.Join(", ", Sizes.Keys)}";
        long expected = size;
        foreach (long axis in shape)
        {
            if (axis < 0)
                return $"has the shape {Text(shape)}, in which {axis} is no size";
            try
            {
                expected = checked(expected * axis);
            }
            catch (OverflowException)
            {
                return $"has the shape {Text(shape)}, which is larger than any file";
            }
        }
        return expected == bytes ? null : $"holds {bytes} bytes where {type} {Text(shape)} takes {expected}";
    }

    /// <summary>A name as messages show it: on one line, and not longer than a reader can take in.</summary>
    internal static string Shown(string name) =>
        string.Create(Math.Min(name.Length, 80), name, static (text, name) =>
        {
            for (int i = 0; i < text.Length; i++)
                text[i] = char.IsControl(name[i]) || name[i] is '\u2028' or '\u2029' ? ' ' : name[i];
        }) + (name.Length > 80 ? "..." : "");

    private static SafetensorsEntry Checked(SafetensorsEntry entry) => Problem(entry.Type, entry.Shape, entry.Data.Length) is { } problem
        ? throw new DataException($"The entry '{Shown(entry.Name)}' {problem}; give a shape that fits its values.")
        : entry;

    private static byte[] Room(int size, int count) => (long)size * count <= Array.MaxLength
        ? new byte[size * count]
        : throw new DataException($"{count} values of {size} bytes are more than one entry can hold; split them.");

    /// <summary>How many elements there are, if the type is one of those that can be read this way.</summary>
    private int Count(string wanted, params ReadOnlySpan<string> types)
    {
        if (!types.Contains(Type))
            throw new DataException($"The entry '{Shown(Name)}' is of the type {Type} and cannot be read as {wanted}, which {string.Join(", ", types)} can.");
        return Data.Length / Sizes[Type];
    }

    private float Narrow(ReadOnlySpan<byte> data, int i) => Type switch
    {
        "F32" => BinaryPrimitives.ReadSingleLittleEndian(data[(i * sizeof(float))..]),
        "F16" => (float)BinaryPrimitives.ReadHalfLittleEndian(data[(i * sizeof(short))..]),
        // The upper half of a float32 number.
        _ => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(data[(i * sizeof(short))..]) << 16),
    };

    private float Exactly(double value, int i) => (float)value == value || double.IsNaN(value)
        ? (float)value
        : throw new DataException($"The entry '{Shown(Name)}' is of the type F64, and its element {i}, {value:R}, is no float32 number; read it as float64.");

    private static string Text(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}
