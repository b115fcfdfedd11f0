using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Reduce(Reduction reduction, Storage x, int outer, int reduced, int inner, Storage y)
    {
        var loop = new ReduceLoop(reduction, x, reduced, inner, y);
        if (outer >= inner)
            Run(loop with { SplitColumns = false }, outer, (int)Math.Min(int.MaxValue, (long)reduced * inner));
        else
            for (int o = 0; o < outer; o++)
                Run(loop with { SplitColumns = true, Outer = o }, inner, reduced);
    }

    /// <summary>Sums or maxima of x[o, r, i] over r, over a range of o (all columns) or over a range of the columns i of one o.</summary>
    private readonly record struct ReduceLoop(Reduction Reduction, Storage X, int Reduced, int Inner, Storage Y) : ILoop
    {
        public bool SplitColumns { get; init; }

        public int Outer { get; init; }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            if (SplitColumns)
                Columns(Outer, start, end);
            else
                for (int o = start; o < end; o++)
                {
                    if (Inner == 1)
                        Store(o, Reduction == Reduction.Sum ? SumRow(o) : MaxRow(o, 0));
                    else
                        Columns(o, 0, Inner);
                }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Columns(int o, int start, int end)
        {
            if (Reduction == Reduction.Max)
            {
                for (int i = start; i < end; i++)
                    Store(o * Inner + i, MaxRow(o, i));
                return;
            }
            Span<double> sums = stackalloc double[16];
            for (int i = start; i < end; i += 16)
            {
                int width = Math.Min(16, end - i);
                long first = (long)o * Reduced * Inner + i;
                sums.Clear();
                if (X.Type == ElementType.Float32 && width == 16)
                    SumLanesOfRows((float*)X.Address + first, sums);
                else
                    for (int r = 0; r < Reduced; r++)
                        for (int j = 0; j < width; j++)
                            sums[j] += X.Type == ElementType.Float64 ? ((double*)X.Address)[first + (long)r * Inner + j] : ((float*)X.Address)[first + (long)r * Inner + j];
                for (int j = 0; j < width; j++)
                    Store(o * Inner + i + j, sums[j]);
            }
        }

        /// <summary>The sums of sixteen neighbouring columns, from x on.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void SumLanesOfRows(float* x, Span<double> sums)
        {
            Vector512<double> low = Vector512<double>.Zero, high = Vector512<double>.Zero;
            for (int r = 0; r < Reduced; r++, x += Inner)
            {
                (Vector512<double> l, Vector512<double> h) = Vector512.Widen(Vector512.Load(x));
                low += l;
                high += h;
            }
            low.CopyTo(sums);
            high.CopyTo(sums[8..]);
        }

        /// <summary>Sixteen virtual lanes, then a fixed tree: one order of additions on every SIMD path.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private double SumRow(int o)
        {
            Vector512<double> low = Vector512<double>.Zero, high = Vector512<double>.Zero;
            int i = 0;
            double tail = 0;
            if (X.Type == ElementType.Float64)
            {
                double* x = (double*)X.Address + (long)o * Reduced;
                for (; i <= Reduced - 16; i += 16)
                {
                    low += Vector512.Load(x + i);
                    high += Vector512.Load(x + i + 8);
                }
                for (; i < Reduced; i++)
                    tail += x[i];
            }
            else
            {
                float* x = (float*)X.Address + (long)o * Reduced;
                for (; i <= Reduced - 16; i += 16)
                {
                    (Vector512<double> l, Vector512<double> h) = Vector512.Widen(Vector512.Load(x + i));
                    low += l;
                    high += h;
                }
                for (; i < Reduced; i++)
                    tail += x[i];
            }
            return SumLanes(low + high) + tail;
        }

        private double MaxRow(int o, int column)
        {
            double result = double.NegativeInfinity;
            for (int r = 0; r < Reduced; r++)
            {
                long at = ((long)o * Reduced + r) * Inner + column;
                result = Math.Max(result, X.Type == ElementType.Float64 ? ((double*)X.Address)[at] : ((float*)X.Address)[at]);
            }
            return result;
        }

        private void Store(int at, double value)
        {
            if (Y.Type == ElementType.Float64)
                ((double*)Y.Address)[at] = value;
            else
                ((float*)Y.Address)[at] = (float)value;
        }
    }

    /// <summary>The sum of eight lanes as a fixed tree (Vector512.Sum does not promise an order).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double SumLanes(Vector512<double> v)
    {
        Vector256<double> four = v.GetLower() + v.GetUpper();
        Vector128<double> two = four.GetLower() + four.GetUpper();
        return two.GetElement(0) + two.GetElement(1);
    }
}
