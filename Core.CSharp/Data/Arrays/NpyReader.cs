using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;

namespace GapLab.Data.Arrays;

/// <summary>Reads NumPy's .npy format: plain numbers of any width and byte order, in C order, as [N, D], [N, H, W], [N, H, W, 1] or [N, 1, H, W].</summary>
internal static class NpyReader
{
    // Whole numbers up to here are exact in single precision.
    private const long LargestExact = 1 << 24;

    /// <summary>Reads a file that is in memory.</summary>
    /// <param name="name">What it is called, for messages.</param>
    /// <param name="file">The whole file.</param>
    /// <exception cref="DataException">It is malformed, cut off, or holds something else than images or vectors of plain numbers.</exception>
    public static NumberArray Read(string name, byte[] file)
    {
        NpyHeader header = NpyHeader.Read(name, file);
        (int height, int width) = Size(name, header.Shape);
        Span<byte> data = file.AsSpan(header.Bytes);
        if (header.IsBigEndian == BitConverter.IsLittleEndian && header.Size > 1)
        {
            for (int i = 0; i < data.Length; i += header.Size)
                data.Slice(i, header.Size).Reverse();
        }

        return (header.Kind, header.Size) switch
        {
            ('b', _) or ('u', 1) => NumberArray.Of(height, width, data.ToArray()),
            ('i', 1) => Whole<sbyte>(name, height, width, data),
            ('i', 2) => Whole<short>(name, height, width, data),
            ('u', 2) => Whole<ushort>(name, height, width, data),
            ('i', 4) => Whole<int>(name, height, width, data),
            ('u', 4) => Whole<uint>(name, height, width, data),
            ('i', _) => Whole<long>(name, height, width, data),
            ('u', _) => Whole<ulong>(name, height, width, data),
            (_, 2) => NumberArray.Of(height, width, Reals<Half>(data)),
            (_, 4) => NumberArray.Of(height, width, Reals<float>(data)),
            _ => NumberArray.Of(height, width, Reals<double>(data)),
        };
    }

    private static (int Height, int Width) Size(string name, int[] shape)
    {
        string text = string.Join("x", shape.Select(size => size.ToString(CultureInfo.InvariantCulture)));
        if (shape.Contains(0))
            throw new DataException($"'{name}' is empty ({text}); save at least one datapoint.");
        return shape switch
        {
            [_, var length] => (1, length),
            [_, var height, var width] => (height, width),
            [_, var height, var width, 1] => (height, width),
            [_, 1, var height, var width] => (height, width),
            _ => throw new DataException(
                $"'{name}' holds an array of {(shape.Length == 0 ? "no dimensions" : text)}, neither vectors (N, D) nor grey images (N, H, W), (N, H, W, 1) or (N, 1, H, W); reshape it."),
        };
    }

    private static NumberArray Whole<T>(string name, int height, int width, ReadOnlySpan<byte> data)
        where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<T> values = MemoryMarshal.Cast<byte, T>(data);
        byte[] bytes = GC.AllocateUninitializedArray<byte>(values.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = byte.CreateTruncating(values[i]);
            if (T.CreateTruncating(bytes[i]) != values[i] || T.IsNegative(values[i]))
                return NumberArray.Of(height, width, Exact(name, values));
        }

        return NumberArray.Of(height, width, bytes);
    }

    private static float[] Exact<T>(string name, ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryInteger<T>
    {
        float[] reals = GC.AllocateUninitializedArray<float>(values.Length);
        for (int i = 0; i < reals.Length; i++)
        {
            long value = long.CreateSaturating(values[i]);
            if (value is < -LargestExact or > LargestExact)
                throw new DataException($"'{name}' holds {values[i]} (element {i}), and whole numbers beyond {LargestExact} are not exact in single precision; rescale them.");
            reals[i] = value;
        }

        return reals;
    }

    private static float[] Reals<T>(ReadOnlySpan<byte> data)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        ReadOnlySpan<T> values = MemoryMarshal.Cast<byte, T>(data);
        float[] reals = GC.AllocateUninitializedArray<float>(values.Length);
        for (int i = 0; i < reals.Length; i++)
            reals[i] = float.CreateSaturating(values[i]);
        return reals;
    }
}
