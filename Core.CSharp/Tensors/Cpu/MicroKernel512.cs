using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// Register tiles of at most 12 x 32 outputs with 512-bit registers: 24 accumulators, two columns of op(B) and one broadcast element of op(A) fill 27 of the 32.
/// </summary>
internal static unsafe class MicroKernel512
{
    /// <summary>The kernels for 1 to 12 rows, both layouts of op(A), and 1 to 2 vectors of columns.</summary>
    public static MicroKernelSet Create()
    {
        var set = new MicroKernelSet(512, rows: 12, columns: 32, vectorLength: 16);
        Add<One>(set);
        Add<Two>(set);
        Add<Three>(set);
        Add<Four>(set);
        Add<Five>(set);
        Add<Six>(set);
        Add<Seven>(set);
        Add<Eight>(set);
        Add<Nine>(set);
        Add<Ten>(set);
        Add<Eleven>(set);
        Add<Twelve>(set);
        return set;
    }

    private static void Add<TRows>(MicroKernelSet set)
        where TRows : struct, ITileSize
    {
        set.Add(TRows.Value, 1, &Multiply<TRows, One, StridedRows>, &Multiply<TRows, One, AdjacentRows>);
        set.Add(TRows.Value, 2, &Multiply<TRows, Two, StridedRows>, &Multiply<TRows, Two, AdjacentRows>);
        set.AddInRuns(TRows.Value, 2, &Multiply<TRows, Two, AdjacentRowsInRuns>);
        if (Sse.IsSupported)
        {
            set.AddPrefetching(TRows.Value, 2, &Multiply<TRows, Two, PackedRows>);
        }
    }

    // C[R, 16V] = (load ? C : 0) + op(A)[R, K] · B[K, 16V]: one fused chain per output, k ascending.
    // a: element (r, k) at a[r * stepA + k] for strided rows, at a[r + k * stepA] for adjacent ones, at a[r + k * R]
    // for packed ones, where stepA is an address to prefetch from instead. b: row k at b + k * stepB; c: row r at c + r * ldc.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TRows, TVectors, TLayout>(
        nint depth, float* a, nint stepA, float* b, nint stepB, float* c, nint ldc, bool load)
        where TRows : struct, ITileSize
        where TVectors : struct, ITileSize
        where TLayout : struct, ITileLayout
    {
        Vector512<float> c00 = default, c01 = default;
        Vector512<float> c10 = default, c11 = default;
        Vector512<float> c20 = default, c21 = default;
        Vector512<float> c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default;
        Vector512<float> c50 = default, c51 = default;
        Vector512<float> c60 = default, c61 = default;
        Vector512<float> c70 = default, c71 = default;
        Vector512<float> c80 = default, c81 = default;
        Vector512<float> c90 = default, c91 = default;
        Vector512<float> ca0 = default, ca1 = default;
        Vector512<float> cb0 = default, cb1 = default;
        if (load)
        {
            var source = c;
            c00 = Vector512.Load(source);
            if (TVectors.Value > 1) c01 = Vector512.Load(source + 16);
            if (TRows.Value > 1)
            {
                source += ldc;
                c10 = Vector512.Load(source);
                if (TVectors.Value > 1) c11 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 2)
            {
                source += ldc;
                c20 = Vector512.Load(source);
                if (TVectors.Value > 1) c21 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 3)
            {
                source += ldc;
                c30 = Vector512.Load(source);
                if (TVectors.Value > 1) c31 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 4)
            {
                source += ldc;
                c40 = Vector512.Load(source);
                if (TVectors.Value > 1) c41 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 5)
            {
                source += ldc;
                c50 = Vector512.Load(source);
                if (TVectors.Value > 1) c51 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 6)
            {
                source += ldc;
                c60 = Vector512.Load(source);
                if (TVectors.Value > 1) c61 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 7)
            {
                source += ldc;
                c70 = Vector512.Load(source);
                if (TVectors.Value > 1) c71 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 8)
            {
                source += ldc;
                c80 = Vector512.Load(source);
                if (TVectors.Value > 1) c81 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 9)
            {
                source += ldc;
                c90 = Vector512.Load(source);
                if (TVectors.Value > 1) c91 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 10)
            {
                source += ldc;
                ca0 = Vector512.Load(source);
                if (TVectors.Value > 1) ca1 = Vector512.Load(source + 16);
            }
            if (TRows.Value > 11)
            {
                source += ldc;
                cb0 = Vector512.Load(source);
                if (TVectors.Value > 1) cb1 = Vector512.Load(source + 16);
            }
        }

        var runs = default(Runs);
        if (typeof(TLayout) == typeof(AdjacentRowsInRuns))
        {
            runs = *(Runs*)stepA;
            stepA = runs.StepA;
        }

        var left = runs.Length;

        // Strided rows: every third row gets a pointer, its two followers are one and two strides away.
        var stride = TLayout.RowsAreAdjacent ? 1 : stepA;
        var a3 = a + 3 * stride;
        var a6 = a + 6 * stride;
        var a9 = a + 9 * stride;
        var ahead = (byte*)stepA;
        for (; depth > 0; depth--)
        {
            // One request at a time, between the multiply-adds: many at once would block the tile's own loads.
            if (Prefetches<TLayout>())
            {
                Sse.Prefetch1(ahead);
                ahead += MicroKernelSet.PrefetchStep;
            }

            var b0 = Vector512.Load(b);
            var b1 = TVectors.Value > 1 ? Vector512.Load(b + 16) : default;
            b += stepB;
            var x0 = Vector512.Create(*a);
            c00 = Vector512.FusedMultiplyAdd(x0, b0, c00);
            if (TVectors.Value > 1) c01 = Vector512.FusedMultiplyAdd(x0, b1, c01);
            if (TRows.Value > 1)
            {
                var x1 = Vector512.Create(TLayout.RowsAreAdjacent ? a[1] : a[stride]);
                c10 = Vector512.FusedMultiplyAdd(x1, b0, c10);
                if (TVectors.Value > 1) c11 = Vector512.FusedMultiplyAdd(x1, b1, c11);
            }
            if (TRows.Value > 2)
            {
                var x2 = Vector512.Create(TLayout.RowsAreAdjacent ? a[2] : a[2 * stride]);
                c20 = Vector512.FusedMultiplyAdd(x2, b0, c20);
                if (TVectors.Value > 1) c21 = Vector512.FusedMultiplyAdd(x2, b1, c21);
            }
            if (TRows.Value > 3)
            {
                var x3 = Vector512.Create(TLayout.RowsAreAdjacent ? a[3] : *a3);
                c30 = Vector512.FusedMultiplyAdd(x3, b0, c30);
                if (TVectors.Value > 1) c31 = Vector512.FusedMultiplyAdd(x3, b1, c31);
            }
            if (TRows.Value > 4)
            {
                var x4 = Vector512.Create(TLayout.RowsAreAdjacent ? a[4] : a3[stride]);
                c40 = Vector512.FusedMultiplyAdd(x4, b0, c40);
                if (TVectors.Value > 1) c41 = Vector512.FusedMultiplyAdd(x4, b1, c41);
            }
            if (TRows.Value > 5)
            {
                var x5 = Vector512.Create(TLayout.RowsAreAdjacent ? a[5] : a3[2 * stride]);
                c50 = Vector512.FusedMultiplyAdd(x5, b0, c50);
                if (TVectors.Value > 1) c51 = Vector512.FusedMultiplyAdd(x5, b1, c51);
            }
            if (TRows.Value > 6)
            {
                var x6 = Vector512.Create(TLayout.RowsAreAdjacent ? a[6] : *a6);
                c60 = Vector512.FusedMultiplyAdd(x6, b0, c60);
                if (TVectors.Value > 1) c61 = Vector512.FusedMultiplyAdd(x6, b1, c61);
            }
            if (TRows.Value > 7)
            {
                var x7 = Vector512.Create(TLayout.RowsAreAdjacent ? a[7] : a6[stride]);
                c70 = Vector512.FusedMultiplyAdd(x7, b0, c70);
                if (TVectors.Value > 1) c71 = Vector512.FusedMultiplyAdd(x7, b1, c71);
            }
            if (TRows.Value > 8)
            {
                var x8 = Vector512.Create(TLayout.RowsAreAdjacent ? a[8] : a6[2 * stride]);
                c80 = Vector512.FusedMultiplyAdd(x8, b0, c80);
                if (TVectors.Value > 1) c81 = Vector512.FusedMultiplyAdd(x8, b1, c81);
            }
            if (TRows.Value > 9)
            {
                var x9 = Vector512.Create(TLayout.RowsAreAdjacent ? a[9] : *a9);
                c90 = Vector512.FusedMultiplyAdd(x9, b0, c90);
                if (TVectors.Value > 1) c91 = Vector512.FusedMultiplyAdd(x9, b1, c91);
            }
            if (TRows.Value > 10)
            {
                var xa = Vector512.Create(TLayout.RowsAreAdjacent ? a[10] : a9[stride]);
                ca0 = Vector512.FusedMultiplyAdd(xa, b0, ca0);
                if (TVectors.Value > 1) ca1 = Vector512.FusedMultiplyAdd(xa, b1, ca1);
            }
            if (TRows.Value > 11)
            {
                var xb = Vector512.Create(TLayout.RowsAreAdjacent ? a[11] : a9[2 * stride]);
                cb0 = Vector512.FusedMultiplyAdd(xb, b0, cb0);
                if (TVectors.Value > 1) cb1 = Vector512.FusedMultiplyAdd(xb, b1, cb1);
            }
            if (TLayout.RowsAreAdjacent)
            {
                a += Prefetches<TLayout>() ? TRows.Value : stepA;
                if (typeof(TLayout) == typeof(AdjacentRowsInRuns) && --left == 0)
                {
                    left = runs.Length;
                    a += runs.GapA;
                    b += runs.GapB;
                }
            }
            else
            {
                a++;
                if (TRows.Value > 3) a3++;
                if (TRows.Value > 6) a6++;
                if (TRows.Value > 9) a9++;
            }
        }

        c00.Store(c);
        if (TVectors.Value > 1) c01.Store(c + 16);
        if (TRows.Value > 1)
        {
            c += ldc;
            c10.Store(c);
            if (TVectors.Value > 1) c11.Store(c + 16);
        }
        if (TRows.Value > 2)
        {
            c += ldc;
            c20.Store(c);
            if (TVectors.Value > 1) c21.Store(c + 16);
        }
        if (TRows.Value > 3)
        {
            c += ldc;
            c30.Store(c);
            if (TVectors.Value > 1) c31.Store(c + 16);
        }
        if (TRows.Value > 4)
        {
            c += ldc;
            c40.Store(c);
            if (TVectors.Value > 1) c41.Store(c + 16);
        }
        if (TRows.Value > 5)
        {
            c += ldc;
            c50.Store(c);
            if (TVectors.Value > 1) c51.Store(c + 16);
        }
        if (TRows.Value > 6)
        {
            c += ldc;
            c60.Store(c);
            if (TVectors.Value > 1) c61.Store(c + 16);
        }
        if (TRows.Value > 7)
        {
            c += ldc;
            c70.Store(c);
            if (TVectors.Value > 1) c71.Store(c + 16);
        }
        if (TRows.Value > 8)
        {
            c += ldc;
            c80.Store(c);
            if (TVectors.Value > 1) c81.Store(c + 16);
        }
        if (TRows.Value > 9)
        {
            c += ldc;
            c90.Store(c);
            if (TVectors.Value > 1) c91.Store(c + 16);
        }
        if (TRows.Value > 10)
        {
            c += ldc;
            ca0.Store(c);
            if (TVectors.Value > 1) ca1.Store(c + 16);
        }
        if (TRows.Value > 11)
        {
            c += ldc;
            cb0.Store(c);
            if (TVectors.Value > 1) cb1.Store(c + 16);
        }
    }

    // A constant for the just-in-time compiler.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Prefetches<TLayout>() => typeof(TLayout) == typeof(PackedRows);

    private readonly struct PackedRows : ITileLayout
    {
        public static bool RowsAreAdjacent => true;
    }
}
