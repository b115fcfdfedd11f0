using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// Register tiles of at most 6 x 16 outputs with 256-bit registers: 12 accumulators, two columns of op(B) and one broadcast element of op(A) fill 15 of the 16.
/// </summary>
internal static unsafe class MicroKernel256
{
    /// <summary>The kernels for 1 to 6 rows, both layouts of op(A), and 1 to 2 vectors of columns.</summary>
    public static MicroKernelSet Create()
    {
        var set = new MicroKernelSet(256, rows: 6, columns: 16, vectorLength: 8);
        Add<One>(set);
        Add<Two>(set);
        Add<Three>(set);
        Add<Four>(set);
        Add<Five>(set);
        Add<Six>(set);
        return set;
    }

    private static void Add<TRows>(MicroKernelSet set)
        where TRows : struct, ITileSize
    {
        set.Add(TRows.Value, 1, &Multiply<TRows, One, StridedRows>, &Multiply<TRows, One, AdjacentRows>);
        set.Add(TRows.Value, 2, &Multiply<TRows, Two, StridedRows>, &Multiply<TRows, Two, AdjacentRows>);
        set.AddInRuns(TRows.Value, 2, &Multiply<TRows, Two, AdjacentRowsInRuns>);
    }

    // C[R, 8V] = (load ? C : 0) + op(A)[R, K] · B[K, 8V]: one fused chain per output, k ascending.
    // a: element (r, k) at a[r * rowStep + k * depthStep]; b: row k at b + k * stepB; c: row r at c + r * ldc.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TRows, TVectors, TLayout>(
        nint depth, float* a, nint stepA, float* b, nint stepB, float* c, nint ldc, bool load)
        where TRows : struct, ITileSize
        where TVectors : struct, ITileSize
        where TLayout : struct, ITileLayout
    {
        Vector256<float> c00 = default, c01 = default;
        Vector256<float> c10 = default, c11 = default;
        Vector256<float> c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default;
        Vector256<float> c40 = default, c41 = default;
        Vector256<float> c50 = default, c51 = default;
        if (load)
        {
            var source = c;
            c00 = Vector256.Load(source);
            if (TVectors.Value > 1) c01 = Vector256.Load(source + 8);
            if (TRows.Value > 1)
            {
                source += ldc;
                c10 = Vector256.Load(source);
                if (TVectors.Value > 1) c11 = Vector256.Load(source + 8);
            }
            if (TRows.Value > 2)
            {
                source += ldc;
                c20 = Vector256.Load(source);
                if (TVectors.Value > 1) c21 = Vector256.Load(source + 8);
            }
            if (TRows.Value > 3)
            {
                source += ldc;
                c30 = Vector256.Load(source);
                if (TVectors.Value > 1) c31 = Vector256.Load(source + 8);
            }
            if (TRows.Value > 4)
            {
                source += ldc;
                c40 = Vector256.Load(source);
                if (TVectors.Value > 1) c41 = Vector256.Load(source + 8);
            }
            if (TRows.Value > 5)
            {
                source += ldc;
                c50 = Vector256.Load(source);
                if (TVectors.Value > 1) c51 = Vector256.Load(source + 8);
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
        for (; depth > 0; depth--)
        {
            var b0 = Vector256.Load(b);
            var b1 = TVectors.Value > 1 ? Vector256.Load(b + 8) : default;
            b += stepB;
            var x0 = Vector256.Create(*a);
            c00 = Vector256.FusedMultiplyAdd(x0, b0, c00);
            if (TVectors.Value > 1) c01 = Vector256.FusedMultiplyAdd(x0, b1, c01);
            if (TRows.Value > 1)
            {
                var x1 = Vector256.Create(TLayout.RowsAreAdjacent ? a[1] : a[stride]);
                c10 = Vector256.FusedMultiplyAdd(x1, b0, c10);
                if (TVectors.Value > 1) c11 = Vector256.FusedMultiplyAdd(x1, b1, c11);
            }
            if (TRows.Value > 2)
            {
                var x2 = Vector256.Create(TLayout.RowsAreAdjacent ? a[2] : a[2 * stride]);
                c20 = Vector256.FusedMultiplyAdd(x2, b0, c20);
                if (TVectors.Value > 1) c21 = Vector256.FusedMultiplyAdd(x2, b1, c21);
            }
            if (TRows.Value > 3)
            {
                var x3 = Vector256.Create(TLayout.RowsAreAdjacent ? a[3] : *a3);
                c30 = Vector256.FusedMultiplyAdd(x3, b0, c30);
                if (TVectors.Value > 1) c31 = Vector256.FusedMultiplyAdd(x3, b1, c31);
            }
            if (TRows.Value > 4)
            {
                var x4 = Vector256.Create(TLayout.RowsAreAdjacent ? a[4] : a3[stride]);
                c40 = Vector256.FusedMultiplyAdd(x4, b0, c40);
                if (TVectors.Value > 1) c41 = Vector256.FusedMultiplyAdd(x4, b1, c41);
            }
            if (TRows.Value > 5)
            {
                var x5 = Vector256.Create(TLayout.RowsAreAdjacent ? a[5] : a3[2 * stride]);
                c50 = Vector256.FusedMultiplyAdd(x5, b0, c50);
                if (TVectors.Value > 1) c51 = Vector256.FusedMultiplyAdd(x5, b1, c51);
            }
            if (TLayout.RowsAreAdjacent)
            {
                a += stepA;
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
            }
        }

        c00.Store(c);
        if (TVectors.Value > 1) c01.Store(c + 8);
        if (TRows.Value > 1)
        {
            c += ldc;
            c10.Store(c);
            if (TVectors.Value > 1) c11.Store(c + 8);
        }
        if (TRows.Value > 2)
        {
            c += ldc;
            c20.Store(c);
            if (TVectors.Value > 1) c21.Store(c + 8);
        }
        if (TRows.Value > 3)
        {
            c += ldc;
            c30.Store(c);
            if (TVectors.Value > 1) c31.Store(c + 8);
        }
        if (TRows.Value > 4)
        {
            c += ldc;
            c40.Store(c);
            if (TVectors.Value > 1) c41.Store(c + 8);
        }
        if (TRows.Value > 5)
        {
            c += ldc;
            c50.Store(c);
            if (TVectors.Value > 1) c51.Store(c + 8);
        }
    }
}
