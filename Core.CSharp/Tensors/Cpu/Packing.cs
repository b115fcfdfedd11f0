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
    /// Copies <paramref name="panels"/> full panels side by side in the source, <paramref name="panelStep"/> apart in
    /// the target: longer runs of the source are read than panel by panel, so fewer pages are visited at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyPanels(float* source, nint stride, nint depth, int panels, float* target, nint panelStep, int width)
    {
        for (nint k = 0; k < depth; k++, source += stride, target += width)
        {
            var from = source;
            var to = target;
            for (var p = panels; p > 0; p--, from += width, to += panelStep)
            {
                var j = 0;
                if (Vector512.IsHardwareAccelerated)
                {
                    for (; j + Vector512<float>.Count <= width; j += Vector512<float>.Count)
                    {
                        Vector512.Load(from + j).Store(to + j);
                    }
                }

                for (; j < width; j += Vector128<float>.Count)
                {
                    Vector128.Load(from + j).Store(to + j);
                }
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
            if (columns == 12 && width == 12)
            {
                TransposeTwelve(source, stride, depth, panel);
                return;
            }

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

    // Sixteen rows of the source. Whole cache lines are read at once: with rows a power of two apart, the lines
    // of sixteen rows do not stay in the first-level cache until their other elements are wanted.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeSixteen(float* source, nint stride, nint depth, float* panel, nint width)
    {
        nint k = 0;
        for (; k + 16 <= depth; k += 16, panel += 16 * width)
        {
            var p = source + k;
            TransposeLanes(p, stride, out var a0, out var a1, out var a2, out var a3);
            TransposeLanes(p + (4 * stride), stride, out var b0, out var b1, out var b2, out var b3);
            TransposeLanes(p + (8 * stride), stride, out var c0, out var c1, out var c2, out var c3);
            TransposeLanes(p + (12 * stride), stride, out var d0, out var d1, out var d2, out var d3);
            ExchangeLanes(ref a0, ref b0, ref c0, ref d0);
            a0.Store(panel);
            b0.Store(panel + (4 * width));
            c0.Store(panel + (8 * width));
            d0.Store(panel + (12 * width));
            ExchangeLanes(ref a1, ref b1, ref c1, ref d1);
            a1.Store(panel + width);
            b1.Store(panel + (5 * width));
            c1.Store(panel + (9 * width));
            d1.Store(panel + (13 * width));
            ExchangeLanes(ref a2, ref b2, ref c2, ref d2);
            a2.Store(panel + (2 * width));
            b2.Store(panel + (6 * width));
            c2.Store(panel + (10 * width));
            d2.Store(panel + (14 * width));
            ExchangeLanes(ref a3, ref b3, ref c3, ref d3);
            a3.Store(panel + (3 * width));
            b3.Store(panel + (7 * width));
            c3.Store(panel + (11 * width));
            d3.Store(panel + (15 * width));
        }

        // Four elements at a time: rows i, i + 4, i + 8, i + 12 share a register.
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

    // Twelve rows, the tallest tile of op(A), in the same way.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeTwelve(float* source, nint stride, nint depth, float* panel)
    {
        nint k = 0;
        for (; k + 16 <= depth; k += 16, panel += 16 * 12)
        {
            var p = source + k;
            TransposeLanes(p, stride, out var a0, out var a1, out var a2, out var a3);
            TransposeLanes(p + (4 * stride), stride, out var b0, out var b1, out var b2, out var b3);
            TransposeLanes(p + (8 * stride), stride, out var c0, out var c1, out var c2, out var c3);
            StoreTwelve(a0, b0, c0, panel);
            StoreTwelve(a1, b1, c1, panel + 12);
            StoreTwelve(a2, b2, c2, panel + (2 * 12));
            StoreTwelve(a3, b3, c3, panel + (3 * 12));
        }

        for (var j = 0; j < 12; j += 4)
        {
            TransposeFour(source + (j * stride) + k, stride, depth - k, panel + j, 12);
        }
    }

    // Rows k, k + 4, k + 8, k + 12 of a panel of twelve columns.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTwelve(Vector512<float> a, Vector512<float> b, Vector512<float> c, float* panel)
    {
        var d = default(Vector512<float>);
        ExchangeLanes(ref a, ref b, ref c, ref d);
        StoreTwelve(a, panel);
        StoreTwelve(b, panel + (4 * 12));
        StoreTwelve(c, panel + (8 * 12));
        StoreTwelve(d, panel + (12 * 12));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTwelve(Vector512<float> x, float* p)
    {
        x.GetLower().Store(p);
        x.GetUpper().GetLower().Store(p + 8);
    }

    // Four rows of sixteen elements; lane l of output q is element 4 l + q of the four rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeLanes(
        float* p, nint stride, out Vector512<float> x0, out Vector512<float> x1, out Vector512<float> x2, out Vector512<float> x3)
    {
        // Four lines further along each row; the rows are too short for the machine to notice the pattern soon.
        Sse.Prefetch0(p + 64);
        Sse.Prefetch0(p + stride + 64);
        Sse.Prefetch0(p + (2 * stride) + 64);
        Sse.Prefetch0(p + (3 * stride) + 64);
        var r0 = Vector512.Load(p);
        var r1 = Vector512.Load(p + stride);
        var r2 = Vector512.Load(p + (2 * stride));
        var r3 = Vector512.Load(p + (3 * stride));
        var low01 = Avx512F.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
        x0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        x1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        x2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        x3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    // A transposition of four by four lanes: afterwards a holds lane 0 of all four, b lane 1, c lane 2, d lane 3.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ExchangeLanes(
        ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c, ref Vector512<float> d)
    {
        var lowAb = Avx512F.Shuffle4x128(a, b, 0x44);
        var lowCd = Avx512F.Shuffle4x128(c, d, 0x44);
        var highAb = Avx512F.Shuffle4x128(a, b, 0xEE);
        var highCd = Avx512F.Shuffle4x128(c, d, 0xEE);
        a = Avx512F.Shuffle4x128(lowAb, lowCd, 0x88);
        b = Avx512F.Shuffle4x128(lowAb, lowCd, 0xDD);
        c = Avx512F.Shuffle4x128(highAb, highCd, 0x88);
        d = Avx512F.Shuffle4x128(highAb, highCd, 0xDD);
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
