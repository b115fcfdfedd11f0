using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void CategoricalLogLikelihood(Storage logits, ReadOnlySpan<int> ids, Storage l, bool residuals, int rows, int columns)
    {
        RequireFloat32("CategoricalLogLikelihood", logits, logits, logits);
        fixed (int* words = ids)
            Run(new CategoricalLoop((float*)logits.Address, words, (double*)l.Address, residuals, columns), rows, columns);
    }

    /// <inheritdoc/>
    public override void CategoricalResidualAdjoint(Storage residuals, ReadOnlySpan<int> ids, Storage g, Storage d, int rows, int columns)
    {
        RequireFloat32("CategoricalResidualAdjoint", residuals, g, d);
        fixed (int* words = ids)
            Run(new CategoricalAdjointLoop((float*)residuals.Address, words, (float*)g.Address, (float*)d.Address, columns), rows, columns);
    }

    /// <summary>Row by row, which stays in the second-level cache: the maximum, then exponentials and their sum in float64, then residuals.</summary>
    private readonly struct CategoricalLoop(float* logits, int* ids, double* l, bool residuals, int columns) : ILoop
    {
        private readonly float* _logits = logits;
        private readonly int* _ids = ids;
        private readonly double* _l = l;
        private readonly bool _residuals = residuals;
        private readonly int _columns = columns;

        public void Execute(int start, int end)
        {
            for (int r = start; r < end; r++)
            {
                float* a = _logits + (long)r * _columns;
                float max = Largest(a, _columns), chosen = a[_ids[r]];
                double sum = _residuals ? Exponentials<Kept>(a, max, _columns) : Exponentials<Dropped>(a, max, _columns);
                _l[r] = (double)chosen - max - Math.Log(sum);
                if (!_residuals)
                    continue;
                Scale(a, (float)(-1 / sum), _columns);
                a[_ids[r]] += 1;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Largest(float* a, int columns)
        {
            Vector512<float> first = Vector512.Create(float.NegativeInfinity), second = first;
            int c = 0;
            for (; c <= columns - 32; c += 32)
            {
                // A logit that is not a number shows in the sum, so the cheaper maximum will do.
                first = Vector512.MaxNative(Vector512.Load(a + c), first);
                second = Vector512.MaxNative(Vector512.Load(a + c + 16), second);
            }
            first = Vector512.MaxNative(first, second);
            float max = float.NegativeInfinity;
            for (int i = 0; i < 16; i++)
                max = Math.Max(max, first.GetElement(i));
            for (; c < columns; c++)
                max = a[c] > max ? a[c] : max;
            return max;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double Exponentials<TResult>(float* a, float max, int columns) where TResult : struct, IResult
        {
            Vector512<double> low = Vector512<double>.Zero, high = Vector512<double>.Zero;
            Vector512<float> shift = Vector512.Create(max);
            int c = 0;
            for (; c <= columns - 16; c += 16)
            {
                Vector512<float> e = SimdMath.ExpOfNonPositive(Vector512.Load(a + c) - shift);
                if (TResult.IsKept)
                    e.Store(a + c);
                (Vector512<double> l, Vector512<double> h) = Vector512.Widen(e);
                low += l;
                high += h;
            }
            double tail = 0;
            for (; c < columns; c++)
            {
                float e = SimdMath.ExpOfNonPositive(Vector512.CreateScalar(a[c]) - shift).ToScalar();
                if (TResult.IsKept)
                    a[c] = e;
                tail += e;
            }
            return SumLanes(low + high) + tail;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Scale(float* a, float scale, int columns)
        {
            Vector512<float> factor = Vector512.Create(scale);
            int c = 0;
            for (; c <= columns - 16; c += 16)
                (Vector512.Load(a + c) * factor).Store(a + c);
            for (; c < columns; c++)
                a[c] *= scale;
        }

        /// <summary>Whether exponentials are wanted, known when the loop is compiled.</summary>
        private interface IResult
        {
            static abstract bool IsKept { get; }
        }

        private readonly struct Kept : IResult
        {
            public static bool IsKept => true;
        }

        private readonly struct Dropped : IResult
        {
            public static bool IsKept => false;
        }
    }

    /// <summary>With residuals R, which are -p but at the row's word: d = R (g - m) there, and (R - 1) (g - m) at the word.</summary>
    private readonly struct CategoricalAdjointLoop(float* residuals, int* ids, float* g, float* d, int columns) : ILoop
    {
        private readonly float* _residuals = residuals, _g = g, _d = d;
        private readonly int* _ids = ids;
        private readonly int _columns = columns;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                float* r = _residuals + (long)row * _columns, g = _g + (long)row * _columns, d = _d + (long)row * _columns;
                int word = _ids[row];
                Vector512<double> low = Vector512<double>.Zero, high = Vector512<double>.Zero;
                int c = 0;
                for (; c <= _columns - 16; c += 16)
                {
                    (Vector512<double> l, Vector512<double> h) = Vector512.Widen(Vector512.Load(r + c) * Vector512.Load(g + c));
                    low += l;
                    high += h;
                }
                double tail = 0;
                for (; c < _columns; c++)
                    tail += r[c] * g[c];
                float mean = (float)(g[word] - (SumLanes(low + high) + tail)), own = (r[word] - 1) * (g[word] - mean);
                Vector512<float> shift = Vector512.Create(mean);
                for (c = 0; c <= _columns - 16; c += 16)
                    (Vector512.Load(r + c) * (Vector512.Load(g + c) - shift)).Store(d + c);
                for (; c < _columns; c++)
                    d[c] = r[c] * (g[c] - mean);
                d[word] = own;
            }
        }
    }
}
