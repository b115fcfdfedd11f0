using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// Register tiles of at most 6 x 16 outputs with 128-bit registers: 24 accumulators on machines with 32 of them. Without hardware fused multiply-add the runtime
/// computes each element exactly in software, so the bits stay the same and only the speed suffers.
/// </summary>
internal static unsafe class MicroKernel128
{
    /// <summary>The kernels for 1 to 6 rows, both layouts of op(A), and 1 to 4 vectors of columns.</summary>
    public static MicroKernelSet Create()
    {
        var set = new MicroKernelSet(128, rows: 6, columns: 16, vectorLength: 4);
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
        set.Add(TRows.Value, 3, &Multiply<TRows, Three, StridedRows>, &Multiply<TRows, Three, AdjacentRows>);
        set.Add(TRows.Value, 4, &Multiply<TRows, Four, StridedRows>, &Multiply<TRows, Four, AdjacentRows>);
        set.AddInRuns(TRows.Value, 4, &Multiply<TRows, Four, AdjacentRowsInRuns>);
    }

    // C[R, 4V] = (load ? C : 0) + op(A)[R, K] · B[K, 4V]: one fused chain per output, k ascending.
    // a: element (r, k) at a[r * rowStep + k * depthStep]; b: row k at b + k * stepB; c: row r at c + r * ldc.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TRows, TVectors, TLayout>(
        nint depth, float* a, nint stepA, float* b, nint stepB, float* c, nint ldc, bool load)
        where TRows : struct, ITileSize
        where TVectors : struct, ITileSize
        where TLayout : struct, ITileLayout
    {
        Vector128<float> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector128<float> c10 = default, c11 = default, c12 = default, c13 = default;
        Vector128<float> c20 = default, c21 = default, c22 = default, c23 = default;
        Vector128<float> c30 = default, c31 = default, c32 = default, c33 = default;
        Vector128<float> c40 = default, c41 = default, c42 = default, c43 = default;
        Vector128<float> c50 = default, c51 = default, c52 = default, c53 = default;
        if (load)
        {
            var source = c;
            c00 = Vector128.Load(source);
            if (TVectors.Value > 1) c01 = Vector128.Load(source + 4);
            if (TVectors.Value > 2) c02 = Vector128.Load(source + 8);
            if (TVectors.Value > 3) c03 = Vector128.Load(source + 12);
            if (TRows.Value > 1)
            {
                source += ldc;
                c10 = Vector128.Load(source);
                if (TVectors.Value > 1) c11 = Vector128.Load(source + 4);
                if (TVectors.Value > 2) c12 = Vector128.Load(source + 8);
                if (TVectors.Value > 3) c13 = Vector128.Load(source + 12);
            }
            if (TRows.Value > 2)
            {
                source += ldc;
                c20 = Vector128.Load(source);
                if (TVectors.Value > 1) c21 = Vector128.Load(source + 4);
                if (TVectors.Value > 2) c22 = Vector128.Load(source + 8);
                if (TVectors.Value > 3) c23 = Vector128.Load(source + 12);
            }
            if (TRows.Value > 3)
            {
                source += ldc;
                c30 = Vector128.Load(source);
                if (TVectors.Value > 1) c31 = Vector128.Load(source + 4);
                if (TVectors.Value > 2) c32 = Vector128.Load(source + 8);
                if (TVectors.Value > 3) c33 = Vector128.Load(source + 12);
            }
            if (TRows.Value > 4)
            {
                source += ldc;
                c40 = Vector128.Load(source);
                if (TVectors.Value > 1) c41 = Vector128.Load(source + 4);
                if (TVectors.Value > 2) c42 = Vector128.Load(source + 8);
                if (TVectors.Value > 3) c43 = Vector128.Load(source + 12);
            }
            if (TRows.Value > 5)
            {
                source += ldc;
                c50 = Vector128.Load(source);
                if (TVectors.Value > 1) c51 = Vector128.Load(source + 4);
                if (TVectors.Value > 2) c52 = Vector128.Load(source + 8);
                if (TVectors.Value > 3) c53 = Vector128.Load(source + 12);
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
            var b0 = Vector128.Load(b);
            var b1 = TVectors.Value > 1 ? Vector128.Load(b + 4) : default;
            var b2 = TVectors.Value > 2 ? Vector128.Load(b + 8) : default;
            var b3 = TVectors.Value > 3 ? Vector128.Load(b + 12) : default;
            b += stepB;
            var x0 = Vector128.Create(*a);
            c00 = Vector128.FusedMultiplyAdd(x0, b0, c00);
            if (TVectors.Value > 1) c01 = Vector128.FusedMultiplyAdd(x0, b1, c01);
            if (TVectors.Value > 2) c02 = Vector128.FusedMultiplyAdd(x0, b2, c02);
            if (TVectors.Value > 3) c03 = Vector128.FusedMultiplyAdd(x0, b3, c03);
            if (TRows.Value > 1)
            {
                var x1 = Vector128.Create(TLayout.RowsAreAdjacent ? a[1] : a[stride]);
                c10 = Vector128.FusedMultiplyAdd(x1, b0, c10);
                if (TVectors.Value > 1) c11 = Vector128.FusedMultiplyAdd(x1, b1, c11);
                if (TVectors.Value > 2) c12 = Vector128.FusedMultiplyAdd(x1, b2, c12);
                if (TVectors.Value > 3) c13 = Vector128.FusedMultiplyAdd(x1, b3, c13);
            }
            if (TRows.Value > 2)
            {
                var x2 = Vector128.Create(TLayout.RowsAreAdjacent ? a[2] : a[2 * stride]);
                c20 = Vector128.FusedMultiplyAdd(x2, b0, c20);
                if (TVectors.Value > 1) c21 = Vector128.FusedMultiplyAdd(x2, b1, c21);
                if (TVectors.Value > 2) c22 = Vector128.FusedMultiplyAdd(x2, b2, c22);
                if (TVectors.Value > 3) c23 = Vector128.FusedMultiplyAdd(x2, b3, c23);
            }
            if (TRows.Value > 3)
            {
                var x3 = Vector128.Create(TLayout.RowsAreAdjacent ? a[3] : *a3);
                c30 = Vector128.FusedMultiplyAdd(x3, b0, c30);
                if (TVectors.Value > 1) c31 = Vector128.FusedMultiplyAdd(x3, b1, c31);
                if (TVectors.Value > 2) c32 = Vector128.FusedMultiplyAdd(x3, b2, c32);
                if (TVectors.Value > 3) c33 = Vector128.FusedMultiplyAdd(x3, b3, c33);
            }
            if (TRows.Value > 4)
            {
                var x4 = Vector128.Create(TLayout.RowsAreAdjacent ? a[4] : a3[stride]);
                c40 = Vector128.FusedMultiplyAdd(x4, b0, c40);
                if (TVectors.Value > 1) c41 = Vector128.FusedMultiplyAdd(x4, b1, c41);
                if (TVectors.Value > 2) c42 = Vector128.FusedMultiplyAdd(x4, b2, c42);
                if (TVectors.Value > 3) c43 = Vector128.FusedMultiplyAdd(x4, b3, c43);
            }
            if (TRows.Value > 5)
            {
                var x5 = Vector128.Create(TLayout.RowsAreAdjacent ? a[5] : a3[2 * stride]);
                c50 = Vector128.FusedMultiplyAdd(x5, b0, c50);
                if (TVectors.Value > 1) c51 = Vector128.FusedMultiplyAdd(x5, b1, c51);
                if (TVectors.Value > 2) c52 = Vector128.FusedMultiplyAdd(x5, b2, c52);
                if (TVectors.Value > 3) c53 = Vector128.FusedMultiplyAdd(x5, b3, c53);
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
        if (TVectors.Value > 1) c01.Store(c + 4);
        if (TVectors.Value > 2) c02.Store(c + 8);
        if (TVectors.Value > 3) c03.Store(c + 12);
        if (TRows.Value > 1)
        {
            c += ldc;
            c10.Store(c);
            if (TVectors.Value > 1) c11.Store(c + 4);
            if (TVectors.Value > 2) c12.Store(c + 8);
            if (TVectors.Value > 3) c13.Store(c + 12);
        }
        if (TRows.Value > 2)
        {
            c += ldc;
            c20.Store(c);
            if (TVectors.Value > 1) c21.Store(c + 4);
            if (TVectors.Value > 2) c22.Store(c + 8);
            if (TVectors.Value > 3) c23.Store(c + 12);
        }
        if (TRows.Value > 3)
        {
            c += ldc;
            c30.Store(c);
            if (TVectors.Value > 1) c31.Store(c + 4);
            if (TVectors.Value > 2) c32.Store(c + 8);
            if (TVectors.Value > 3) c33.Store(c + 12);
        }
        if (TRows.Value > 4)
        {
            c += ldc;
            c40.Store(c);
            if (TVectors.Value > 1) c41.Store(c + 4);
            if (TVectors.Value > 2) c42.Store(c + 8);
            if (TVectors.Value > 3) c43.Store(c + 12);
        }
        if (TRows.Value > 5)
        {
            c += ldc;
            c50.Store(c);
            if (TVectors.Value > 1) c51.Store(c + 4);
            if (TVectors.Value > 2) c52.Store(c + 8);
            if (TVectors.Value > 3) c53.Store(c + 12);
        }
    }
}
