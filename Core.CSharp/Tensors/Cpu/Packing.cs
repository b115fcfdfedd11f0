using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Tensors.Cpu;

/// <summary>Copies parts of a matrix into the order in which a micro-kernel reads them.</summary>
internal static unsafe class Packing
{
    /// <summary>
    /// panel[depth, width] = source, whose element (k, j) is at source[k * stride + j]; columns from
    /// <paramref name="columns"/> to <paramref name="width"/> are set to zero.
    /// </summary>
    public static void Copy(float* source, nint stride, nint depth, int columns, float* panel, int width)
    {
        if (columns == width && width % Vector512<float>.Count == 0 && Vector512.IsHardwareAccelerated)
        {
            for (nint k = 0; k < depth; k++, source += stride, panel += width)
            {
                for (var j = 0; j < width; j += Vector512<float>.Count)
                {
                    Vector512.Load(source + j).Store(panel + j);
                }
            }

            return;
        }

        Clear(panel, depth, columns, width);
        for (nint k = 0; k < depth; k++, source += stride, panel += width)
        {
            var j = 0;
            for (; j + Vector128<float>.Count <= columns; j += Vector128<float>.Count)
            {
                Vector128.Load(source + j).Store(panel + j);
            }

            for (; j < columns; j++)
            {
                panel[j] = source[j];
            }
        }
    }

    /// <summary>
    /// panel[depth, width] = source transposed, whose element (k, j) is at source[j * stride + k]; columns from
    /// <paramref name="columns"/> to <paramref name="width"/> are set to zero.
    /// </summary>
    public static void Transpose(float* source, nint stride, nint depth, int columns, float* panel, int width)
    {
        Clear(panel, depth, columns, width);
        var j = 0;
        if (Avx512F.IsSupported)
        {
            for (; j + 16 <= columns; j += 16)
            {
                TransposeSixteen(source + (j * stride), stride, depth, panel + j, width);
            }
        }

        if (Sse.IsSupported)
        {
            for (; j + 4 <= columns; j += 4)
            {
                TransposeFour(source + (j * stride), stride, depth, panel + j, width);
            }
        }

        for (; j < columns; j++)
        {
            var row = source + (j * stride);
            for (nint k = 0; k < depth; k++)
            {
                panel[(k * width) + j] = row[k];
            }
        }
    }

    // Clearing a whole panel in one run is faster than clearing the short ends of its rows.
    private static void Clear(float* panel, nint depth, int columns, int width)
    {
        if (columns < width)
        {
            NativeMemory.Clear(panel, (nuint)(depth * width) * sizeof(float));
        }
    }

    // Sixteen rows of the source, four elements at a time: rows i, i + 4, i + 8, i + 12 share a register, so that
    // a transposition inside its four 128-bit lanes puts all sixteen in order.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeSixteen(float* source, nint stride, nint depth, float* panel, nint width)
    {
        nint k = 0;
        for (; k + 4 <= depth; k += 4, panel += 4 * width)
        {
            var p = source + k;
            var r0 = Gather(p, stride);
            var r1 = Gather(p + stride, stride);
            var r2 = Gather(p + (2 * stride), stride);
            var r3 = Gather(p + (3 * stride), stride);
            var low01 = Avx512F.UnpackLow(r0, r1).AsDouble();
            var high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
            var low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
            var high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
            Avx512F.UnpackLow(low01, low23).AsSingle().Store(panel);
            Avx512F.UnpackHigh(low01, low23).AsSingle().Store(panel + width);
            Avx512F.UnpackLow(high01, high23).AsSingle().Store(panel + (2 * width));
            Avx512F.UnpackHigh(high01, high23).AsSingle().Store(panel + (3 * width));
        }

        for (; k < depth; k++, panel += width)
        {
            for (var j = 0; j < 16; j++)
            {
                panel[j] = source[(j * stride) + k];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Gather(float* p, nint stride)
    {
        var low = Vector256.Create(Vector128.Load(p), Vector128.Load(p + (4 * stride)));
        var high = Vector256.Create(Vector128.Load(p + (8 * stride)), Vector128.Load(p + (12 * stride)));
        return Vector512.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeFour(float* source, nint stride, nint depth, float* panel, nint width)
    {
        nint k = 0;
        for (; k + 4 <= depth; k += 4, panel += 4 * width)
        {
            var p = source + k;
            var r0 = Vector128.Load(p);
            var r1 = Vector128.Load(p + stride);
            var r2 = Vector128.Load(p + (2 * stride));
            var r3 = Vector128.Load(p + (3 * stride));
            var low01 = Sse.UnpackLow(r0, r1);
            var high01 = Sse.UnpackHigh(r0, r1);
            var low23 = Sse.UnpackLow(r2, r3);
            var high23 = Sse.UnpackHigh(r2, r3);
            Sse.MoveLowToHigh(low01, low23).Store(panel);
            Sse.MoveHighToLow(low23, low01).Store(panel + width);
            Sse.MoveLowToHigh(high01, high23).Store(panel + (2 * width));
            Sse.MoveHighToLow(high23, high01).Store(panel + (3 * width));
        }

        for (; k < depth; k++, panel += width)
        {
            for (var j = 0; j < 4; j++)
            {
                panel[j] = source[(j * stride) + k];
            }
        }
    }
}
