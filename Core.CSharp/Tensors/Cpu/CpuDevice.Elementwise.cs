using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>An elementwise loop over [start, end): the body of a kernel that may be split among threads.</summary>
    private interface ILoop
    {
        void Execute(int start, int end);
    }

    /// <summary>Runs a loop over n independent numbers, split among the workers in pieces whose boundaries do not affect the results.</summary>
    private static void Run<TLoop>(in TLoop loop, int n, int costPerItem = 1) where TLoop : unmanaged, ILoop
    {
        int parts = WorkerPool.Threads;
        if (parts == 1 || (long)n * costPerItem < ParallelThreshold)
        {
            loop.Execute(0, n);
            return;
        }
        fixed (TLoop* body = &loop)
        {
            var split = new Split<TLoop>(body, n, parts);
            WorkerPool.Run(parts, &Split<TLoop>.Execute, &split);
        }
    }

    private readonly struct Split<TLoop>(TLoop* loop, int n, int parts) where TLoop : unmanaged, ILoop
    {
        private readonly TLoop* _loop = loop;
        private readonly int _n = n, _parts = parts;

        public static void Execute(void* context, int part)
        {
            var split = (Split<TLoop>*)context;
            split->_loop->Execute((int)((long)split->_n * part / split->_parts), (int)((long)split->_n * (part + 1) / split->_parts));
        }
    }

    /// <inheritdoc/>
    public override void Unary(UnaryFunction f, Storage x, Storage y)
    {
        if (x.Type == ElementType.Float64)
        {
            for (int i = 0; i < x.Length; i++)
                y.Doubles[i] = ScalarFunctions.Evaluate(f, x.Doubles[i]);
            return;
        }
        float* from = (float*)x.Address, to = (float*)y.Address;
        switch (f)
        {
            case UnaryFunction.Negate: Run(new UnaryLoop<NegateOperation>(from, to), x.Length); break;
            case UnaryFunction.Exp: Run(new UnaryLoop<ExpOperation>(from, to), x.Length); break;
            case UnaryFunction.Log: Run(new UnaryLoop<LogOperation>(from, to), x.Length); break;
            case UnaryFunction.Sqrt: Run(new UnaryLoop<SqrtOperation>(from, to), x.Length); break;
            case UnaryFunction.Square: Run(new UnaryLoop<SquareOperation>(from, to), x.Length); break;
            case UnaryFunction.Reciprocal: Run(new UnaryLoop<ReciprocalOperation>(from, to), x.Length); break;
            case UnaryFunction.Sigmoid: Run(new UnaryLoop<SigmoidOperation>(from, to), x.Length); break;
            case UnaryFunction.Softplus: Run(new UnaryLoop<SoftplusOperation>(from, to), x.Length); break;
            case UnaryFunction.Tanh: Run(new UnaryLoop<TanhOperation>(from, to), x.Length); break;
            case UnaryFunction.Elu: Run(new UnaryLoop<EluOperation>(from, to), x.Length); break;
            case UnaryFunction.NegativePart: Run(new UnaryLoop<NegativePartOperation>(from, to), x.Length); break;
            case UnaryFunction.IsNegative: Run(new UnaryLoop<IsNegativeOperation>(from, to), x.Length); break;
            case UnaryFunction.Finite: Run(new UnaryLoop<FiniteOperation>(from, to), x.Length); break;
            case UnaryFunction.Relu: Run(new UnaryLoop<ReluOperation>(from, to), x.Length); break;
            default: throw new ArgumentOutOfRangeException(nameof(f));
        }
    }

    private readonly struct UnaryLoop<TOperation>(float* x, float* y) : ILoop where TOperation : IUnaryOperation
    {
        private readonly float* _x = x, _y = y;

        public void Execute(int start, int end) => SimdMath.Apply<TOperation>(_x + start, _y + start, end - start);
    }

    private readonly struct NegateOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => -x;
    }

    private readonly struct SqrtOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => Vector512.Sqrt(x);
    }

    private readonly struct SquareOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => x * x;
    }

    private readonly struct ReciprocalOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => Vector512<float>.One / x;
    }

    private readonly struct NegativePartOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => Vector512.Min(x, Vector512<float>.Zero);
    }

    private readonly struct IsNegativeOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) => Vector512.LessThan(x, Vector512<float>.Zero) & Vector512<float>.One;
    }

    private readonly struct FiniteOperation : IUnaryOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Invoke(Vector512<float> x) =>
            Vector512.Min(Vector512.Max(x, Vector512.Create(-float.MaxValue)), Vector512.Create(float.MaxValue));
    }

    /// <inheritdoc/>
    public override void Affine(Storage x, double scale, double shift, Storage y)
    {
        if (x.Type == ElementType.Float64)
        {
            for (int i = 0; i < x.Length; i++)
                y.Doubles[i] = scale * x.Doubles[i] + shift;
            return;
        }
        Run(new AffineLoop((float*)x.Address, (float)scale, (float)shift, (float*)y.Address), x.Length);
    }

    private readonly struct AffineLoop(float* x, float scale, float shift, float* y) : ILoop
    {
        private readonly float* _x = x, _y = y;
        private readonly float _scale = scale, _shift = shift;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            int i = start;
            Vector512<float> a = Vector512.Create(_scale), b = Vector512.Create(_shift);
            for (; i <= end - 16; i += 16)
                Vector512.FusedMultiplyAdd(Vector512.Load(_x + i), a, b).Store(_y + i);
            for (; i < end; i++)
                _y[i] = MathF.FusedMultiplyAdd(_x[i], _scale, _shift);
        }
    }

    /// <inheritdoc/>
    public override void Broadcast(Storage x, Shape xShape, Storage y, Shape yShape)
    {
        var loop = new BroadcastLoop(xShape, xShape, yShape);
        for (int row = 0; row < loop.Rows; row++)
        {
            loop.Offsets(row, out int from, out _);
            int to = row * loop.Columns;
            if (x.Type == ElementType.Float64)
            {
                Span<double> target = y.Doubles.Slice(to, loop.Columns);
                if (loop.XStep == 0)
                    target.Fill(x.Doubles[from]);
                else
                    x.Doubles.Slice(from, loop.Columns).CopyTo(target);
            }
            else
            {
                Span<float> target = y.Floats.Slice(to, loop.Columns);
                if (loop.XStep == 0)
                    target.Fill(x.Floats[from]);
                else
                    x.Floats.Slice(from, loop.Columns).CopyTo(target);
            }
        }
    }

    /// <inheritdoc/>
    public override void Binary(BinaryFunction f, Storage x, Shape xShape, Storage y, Shape yShape, Storage z, Shape zShape)
    {
        var loop = new BroadcastLoop(xShape, yShape, zShape);
        for (int row = 0; row < loop.Rows; row++)
        {
            loop.Offsets(row, out int xOffset, out int yOffset);
            int zOffset = row * loop.Columns;
            if (z.Type == ElementType.Float64)
            {
                double* a = (double*)x.Address + xOffset, b = (double*)y.Address + yOffset, c = (double*)z.Address + zOffset;
                for (int i = 0; i < loop.Columns; i++)
                    c[i] = ScalarFunctions.Evaluate(f, a[i * loop.XStep], b[i * loop.YStep]);
                continue;
            }
            float* p = (float*)x.Address + xOffset, q = (float*)y.Address + yOffset, r = (float*)z.Address + zOffset;
            switch (f)
            {
                case BinaryFunction.Add: Run(new BinaryLoop<AddKernel>(p, loop.XStep, q, loop.YStep, r), loop.Columns); break;
                case BinaryFunction.Subtract: Run(new BinaryLoop<SubtractKernel>(p, loop.XStep, q, loop.YStep, r), loop.Columns); break;
                case BinaryFunction.Multiply: Run(new BinaryLoop<MultiplyKernel>(p, loop.XStep, q, loop.YStep, r), loop.Columns); break;
                case BinaryFunction.Divide: Run(new BinaryLoop<DivideKernel>(p, loop.XStep, q, loop.YStep, r), loop.Columns); break;
                default: throw new ArgumentOutOfRangeException(nameof(f));
            }
        }
    }

    private interface IBinaryKernel
    {
        static abstract Vector512<float> Apply(Vector512<float> x, Vector512<float> y);
        static abstract float Apply(float x, float y);
    }

    private readonly struct AddKernel : IBinaryKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Apply(Vector512<float> x, Vector512<float> y) => x + y;
        public static float Apply(float x, float y) => x + y;
    }

    private readonly struct SubtractKernel : IBinaryKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Apply(Vector512<float> x, Vector512<float> y) => x - y;
        public static float Apply(float x, float y) => x - y;
    }

    private readonly struct MultiplyKernel : IBinaryKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Apply(Vector512<float> x, Vector512<float> y) => x * y;
        public static float Apply(float x, float y) => x * y;
    }

    private readonly struct DivideKernel : IBinaryKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Apply(Vector512<float> x, Vector512<float> y) => x / y;
        public static float Apply(float x, float y) => x / y;
    }

    /// <summary>z_i = f(x_i, y_i) along one row; a step of 0 repeats an operand.</summary>
    private readonly struct BinaryLoop<TKernel>(float* x, int xStep, float* y, int yStep, float* z) : ILoop where TKernel : struct, IBinaryKernel
    {
        private readonly float* _x = x, _y = y, _z = z;
        private readonly int _xStep = xStep, _yStep = yStep;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            int i = start;
            if (_xStep == 1 && _yStep == 1)
            {
                for (; i <= end - 16; i += 16)
                    TKernel.Apply(Vector512.Load(_x + i), Vector512.Load(_y + i)).Store(_z + i);
            }
            else if (_xStep == 1)
            {
                Vector512<float> b = Vector512.Create(*_y);
                for (; i <= end - 16; i += 16)
                    TKernel.Apply(Vector512.Load(_x + i), b).Store(_z + i);
            }
            else if (_yStep == 1)
            {
                Vector512<float> a = Vector512.Create(*_x);
                for (; i <= end - 16; i += 16)
                    TKernel.Apply(a, Vector512.Load(_y + i)).Store(_z + i);
            }
            for (; i < end; i++)
                _z[i] = TKernel.Apply(_x[i * _xStep], _y[i * _yStep]);
        }
    }

    /// <inheritdoc/>
    public override void ActivationAdjoint(Activation activation, Storage y, Storage g, Storage d)
    {
        if (d.Type == ElementType.Float64)
        {
            for (int i = 0; i < d.Length; i++)
                d.Doubles[i] = g.Doubles[i] * ScalarFunctions.DerivativeFromOutput(activation, y.Doubles[i]);
            return;
        }
        Run(new ActivationAdjointLoop(activation, (float*)y.Address, (float*)g.Address, (float*)d.Address), d.Length);
    }

    private readonly struct ActivationAdjointLoop(Activation activation, float* y, float* g, float* d) : ILoop
    {
        private readonly Activation _activation = activation;
        private readonly float* _y = y, _g = g, _d = d;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            int i = start;
            for (; i <= end - 16; i += 16)
                Adjoint(_activation, Vector512.Load(_y + i), Vector512.Load(_g + i)).Store(_d + i);
            for (; i < end; i++)
                _d[i] = Adjoint(_activation, Vector512.CreateScalar(_y[i]), Vector512.CreateScalar(_g[i])).ToScalar();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Adjoint(Activation activation, Vector512<float> y, Vector512<float> g) => activation switch
        {
            Activation.Elu => Vector512.FusedMultiplyAdd(g, Vector512.Min(y, Vector512<float>.Zero), g),
            Activation.Tanh => g * Vector512.FusedMultiplyAdd(-y, y, Vector512<float>.One),
            Activation.Sigmoid => g * Vector512.FusedMultiplyAdd(-y, y, y),
            Activation.Relu => g * (Vector512.GreaterThan(y, Vector512<float>.Zero) & Vector512<float>.One),
            _ => g,
        };
    }
}
