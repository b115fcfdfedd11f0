using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Rows of logits that are computed and used at once, so that they never leave the nearest caches.</summary>
    private const int LogitRows = 24;

    /// <inheritdoc/>
    public override void BernoulliLogLikelihood(Storage logits, Storage x, int repeat, Storage l, int rows, int columns)
    {
        RequireFloat32("BernoulliLogLikelihood", logits, x, x);
        Run(new BernoulliLoop((float*)logits.Address, (float*)x.Address, repeat, (double*)l.Address, columns, LikelihoodParts.Value), rows, columns);
    }

    /// <inheritdoc/>
    public override void BernoulliLogLikelihoodAdjoint(Storage logits, Storage x, int repeat, Storage g, Storage d, int rows, int columns)
    {
        RequireFloat32("BernoulliLogLikelihoodAdjoint", logits, x, d);
        Run(new BernoulliAdjointLoop((float*)logits.Address, (float*)x.Address, repeat, (double*)g.Address, (float*)d.Address, columns), rows, columns);
    }

    /// <inheritdoc/>
    public override void LinearBernoulliLogLikelihood(
        Storage h, Storage weight, PackedWeight? packed, Storage bias, Storage x, int repeat, Storage l, Storage work, LikelihoodParts parts, int rows, int columns, int k)
    {
        RequireFloat32("LinearBernoulliLogLikelihood", h, weight, work);
        var likelihood = new BernoulliLoop((float*)work.Address, (float*)x.Address, repeat, (double*)l.Address, columns, parts);
        if (packed is null)
        {
            Linear(h, weight, null, bias, Activation.Identity, work, rows, columns, k);
            Run(likelihood, rows, columns);
            return;
        }
        int blocks = (rows + LogitRows - 1) / LogitRows;
        var decoding = new Decoding
        {
            H = (float*)h.Address,
            Bias = (float*)bias.Address,
            Work = (float*)work.Address,
            Weight = ((CpuPackedWeight)packed).Operand(transposed: true),
            Rows = rows,
            Blocks = blocks,
            Likelihood = likelihood,
        };
        if (WorkerPool.AvailableThreads == 1 || (long)rows * columns * k < 400_000)
            for (int block = 0; block < blocks; block++)
                decoding.Execute(block);
        else
            WorkerPool.ForEach(blocks, decoding.Execute);
    }

    /// <summary>Blocks of rows: logits by a product with packed weights, then their likelihood at once.</summary>
    private sealed class Decoding
    {
        public float* H;
        public float* Bias;
        public float* Work;
        public required PackedMatrix Weight;
        public int Rows;
        public int Blocks;
        public BernoulliLoop Likelihood;

        public void Execute(int block)
        {
            int start = (int)((long)Rows * block / Blocks), end = (int)((long)Rows * (block + 1) / Blocks);
            Cpu.MatrixProduct.Multiply(
                H + (long)start * Weight.Depth, Weight.Depth, false, Weight, Work + (long)start * Weight.Columns, Weight.Columns, end - start,
                accumulate: false, new Epilogue(Bias));
            Likelihood.Execute(start, end);
        }
    }

    /// <summary>
    /// Row sums of x a - softplus(a); where they are kept, the residuals x - sigmoid(a) take the place of a. With e = e^-|a|, softplus(a) is
    /// max(a, 0) + log(1 + e), and the logarithms of eight pixels are that of one product, whose distance from 1 is what is carried along so that
    /// small terms keep their digits. Terms are float32, their sum float64.
    /// </summary>
    private readonly struct BernoulliLoop(float* logits, float* x, int repeat, double* l, int columns, LikelihoodParts parts) : ILoop
    {
        private const int PixelsPerLogarithm = 8;

        private readonly float* _logits = logits, _x = x;
        private readonly double* _l = l;
        private readonly int _repeat = repeat, _columns = columns;
        private readonly LikelihoodParts _parts = parts;

        public void Execute(int start, int end)
        {
            for (int r = start; r < end; r++)
            {
                float* a = _logits + (long)r * _columns, x = _x + (long)(r / _repeat) * _columns;
                _l[r] = _parts switch
                {
                    LikelihoodParts.Value => SumRow<Dropped>(a, x, _columns),
                    LikelihoodParts.Both => SumRow<Kept>(a, x, _columns),
                    _ => Residuals(a, x, _columns),
                };
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double SumRow<TResidual>(float* a, float* x, int columns) where TResidual : struct, IResidual
        {
            Vector512<double> low = Vector512<double>.Zero, high = Vector512<double>.Zero;
            int c = 0;
            while (c <= columns - 16)
            {
                int last = Math.Min(columns - 16, c + (PixelsPerLogarithm - 1) * 16);
                Vector512<float> product = Vector512<float>.Zero;
                for (; c <= last; c += 16)
                {
                    Vector512<float> term = Term<TResidual>(Vector512.Load(a + c), Vector512.Load(x + c), ref product, out Vector512<float> residual);
                    if (TResidual.IsKept)
                        residual.Store(a + c);
                    Add(term, ref low, ref high);
                }
                Add(-SimdMath.Log1p(product), ref low, ref high);
            }
            double tail = 0;
            for (; c < columns; c++)
            {
                Vector512<float> product = Vector512<float>.Zero;
                Vector512<float> term = Term<TResidual>(Vector512.CreateScalar(a[c]), Vector512.CreateScalar(x[c]), ref product, out Vector512<float> residual);
                if (TResidual.IsKept)
                    a[c] = residual.ToScalar();
                tail += term.ToScalar() - (double)SimdMath.Log1p(product).ToScalar();
            }
            return SumLanes(low + high) + tail;
        }

        /// <summary>The residuals alone, the same bits as beside a sum: no logarithms, no sums.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double Residuals(float* a, float* x, int columns)
        {
            int c = 0;
            for (; c <= columns - 16; c += 16)
                Residual(Vector512.Load(a + c), Vector512.Load(x + c)).Store(a + c);
            for (; c < columns; c++)
                a[c] = Residual(Vector512.CreateScalar(a[c]), Vector512.CreateScalar(x[c])).ToScalar();
            return double.NaN;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Residual(Vector512<float> a, Vector512<float> x) => x - SimdMath.SigmoidFrom(SimdMath.ExpOfMinusAbs(a), a);

        /// <summary>x a - max(a, 0), and (1 + product)(1 + e) - 1 in the place of the product.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Term<TResidual>(Vector512<float> a, Vector512<float> x, ref Vector512<float> product, out Vector512<float> residual)
            where TResidual : struct, IResidual
        {
            Vector512<float> e = SimdMath.ExpOfMinusAbs(a);
            product = Vector512.FusedMultiplyAdd(product, e, product + e);
            residual = TResidual.IsKept ? x - SimdMath.SigmoidFrom(e, a) : default;
            // A logit that is not a number shows in the product, so the cheaper maximum will do.
            return Vector512.FusedMultiplyAdd(x, a, -Vector512.MaxNative(a, Vector512<float>.Zero));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Add(Vector512<float> term, ref Vector512<double> low, ref Vector512<double> high)
        {
            (Vector512<double> l, Vector512<double> h) = Vector512.Widen(term);
            low += l;
            high += h;
        }

        /// <summary>Whether residuals are wanted, known when the loop is compiled.</summary>
        private interface IResidual
        {
            static abstract bool IsKept { get; }
        }

        private readonly struct Kept : IResidual
        {
            public static bool IsKept => true;
        }

        private readonly struct Dropped : IResidual
        {
            public static bool IsKept => false;
        }
    }

    /// <summary>d = g (x - sigmoid(a)), row by row.</summary>
    private readonly struct BernoulliAdjointLoop(float* logits, float* x, int repeat, double* g, float* d, int columns) : ILoop
    {
        private readonly float* _logits = logits, _x = x, _d = d;
        private readonly double* _g = g;
        private readonly int _repeat = repeat, _columns = columns;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int r = start; r < end; r++)
            {
                float* a = _logits + (long)r * _columns, x = _x + (long)(r / _repeat) * _columns, d = _d + (long)r * _columns;
                float scale = (float)_g[r];
                Vector512<float> g = Vector512.Create(scale);
                int c = 0;
                for (; c <= _columns - 16; c += 16)
                    (g * (Vector512.Load(x + c) - SimdMath.Sigmoid(Vector512.Load(a + c)))).Store(d + c);
                for (; c < _columns; c++)
                    d[c] = scale * (x[c] - SimdMath.Sigmoid(Vector512.CreateScalar(a[c])).ToScalar());
            }
        }
    }
}
