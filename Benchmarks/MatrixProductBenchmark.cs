using System.Runtime.InteropServices;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>
/// Matrix products of the workloads: the decoder 50-200-200-784 on the rows of one datapoint, training batches and
/// their weight gradients, and large squares. Operations are counted as 2 M N K.
/// </summary>
internal static unsafe class MatrixProductBenchmark
{
    private static readonly (int K, int N)[] Layers = [(50, 200), (200, 200), (200, 784)];

    /// <summary>The few products that are compared with PyTorch, on all threads.</summary>
    /// <param name="limit">GFLOP/s of all threads.</param>
    /// <param name="comparison">Times both sides.</param>
    /// <param name="wants">Which names are asked for.</param>
    public static IEnumerable<Measurement> Compared(double limit, Comparison comparison, Func<string, bool> wants)
    {
        foreach (var item in ComparedCases())
        {
            if (wants(item.ToString()))
            {
                using var product = new Product(item);
                var times = comparison.Measure(product.Multiply, $"product:{item.M}x{item.K}x{item.N}");
                yield return Measurement.Of(item.ToString(), times, item.Operations, limit) with
                {
                    Formula = "2 M N K",
                    FractionFloor = item.FractionFloor,
                    RatioFloor = item.FractionFloor is null ? null : 1,
                };
            }
        }
    }

    /// <summary>Every case on one thread, and those worth it on all; the limits are GFLOP/s of one core and of all threads.</summary>
    public static IEnumerable<Measurement> All(double oneCore, double allCores, Func<string, bool> wants)
    {
        foreach (var item in Cases())
        {
            if (wants(item.ToString()))
            {
                yield return Measure(item, 1, oneCore);
                if (item.Parallel && WorkerPool.Threads > 1)
                {
                    yield return Measure(item, WorkerPool.Threads, allCores);
                }
            }
        }
    }

    private static IEnumerable<Case> ComparedCases()
    {
        yield return new Case("square", 2048, 2048, 2048) { FractionFloor = 0.90 };
        yield return new Case("square", 1024, 1024, 1024) { FractionFloor = 0.90 };
        yield return new Case("encoder", 100, 200, 784) { FractionFloor = 0.70 };
        foreach (var (k, n) in Layers)
        {
            yield return new Case("decoder", 100, n, k);
        }
    }

    private static IEnumerable<Case> Cases()
    {
        foreach (var m in new[] { 10, 20, 50, 100 })
        {
            foreach (var (k, n) in Layers)
            {
                yield return new Case("packed", m, n, k) { Packed = true, Parallel = m == 100 };
                yield return new Case("packed", m, k, n) { Packed = true, TransB = true, Parallel = m == 100 };
            }
        }

        foreach (var m in new[] { 10, 100 })
        {
            foreach (var (k, n) in Layers)
            {
                yield return new Case("forward", m, n, k) { Parallel = m == 100 };
                yield return new Case("input gradient", m, k, n) { TransB = true, Parallel = m == 100 };
            }
        }

        yield return new Case("forward, ELU", 100, 200, 784) { Activation = Activation.Elu, Parallel = true };
        foreach (var (k, n) in Layers)
        {
            yield return new Case("weight gradient", k, n, 100) { TransA = true, Parallel = true };
        }

        yield return new Case("weight gradient", 784, 200, 100) { TransA = true, Parallel = true };
        foreach (var size in new[] { 1024, 2048 })
        {
            yield return new Case("square", size, size, size) { Parallel = true };
        }

        yield return new Case("square", 1024, 1024, 1024) { TransB = true, Parallel = true };
        yield return new Case("square", 1024, 1024, 1024) { TransA = true, Parallel = true };
    }

    private static Measurement Measure(Case item, int threads, double limit)
    {
        using var product = new Product(item);
        var before = WorkerPool.Threads;
        try
        {
            WorkerPool.Threads = threads;
            var seconds = Repeat.Best(product.Multiply, TimeSpan.FromSeconds(0.2));
            return new Measurement(item.ToString(), threads, seconds, item.Operations, limit) { Formula = "2 M N K" };
        }
        finally
        {
            WorkerPool.Threads = before;
        }
    }

    /// <summary>The operands of a case.</summary>
    private sealed class Product : IDisposable
    {
        private readonly Case _case;
        private readonly float* _a;
        private readonly float* _b;
        private readonly float* _c;
        private readonly float* _bias;
        private readonly PackedMatrix? _packed;
        private readonly Epilogue _epilogue;

        public Product(Case item)
        {
            var (m, n, k) = (item.M, item.N, item.K);
            _case = item;
            _a = Filled(m * k);
            _b = Filled(k * n);
            _c = Filled(m * n);
            _bias = Filled(n);
            _packed = item.Packed ? new PackedMatrix(k, n, _b, item.TransB ? k : n, item.TransB) : null;
            _epilogue = item.Activation is { } activation ? new Epilogue(_bias, activation) : default;
        }

        public void Multiply()
        {
            var (m, n, k) = (_case.M, _case.N, _case.K);
            if (_packed != null)
            {
                MatrixProduct.Multiply(_a, k, false, _packed, _c, n, m, false, _epilogue);
            }
            else
            {
                MatrixProduct.Multiply(
                    _a, _case.TransA ? m : k, _case.TransA, _b, _case.TransB ? k : n, _case.TransB, _c, n, m, n, k, false, _epilogue);
            }
        }

        public void Dispose()
        {
            _packed?.Dispose();
            NativeMemory.AlignedFree(_a);
            NativeMemory.AlignedFree(_b);
            NativeMemory.AlignedFree(_c);
            NativeMemory.AlignedFree(_bias);
        }

        private static float* Filled(int length)
        {
            var memory = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), 64);
            for (var i = 0; i < length; i++)
            {
                memory[i] = (((i * 37) % 101) - 50) / 50f;
            }

            return memory;
        }
    }

    private sealed record Case(string Name, int M, int N, int K)
    {
        public bool TransA { get; init; }

        public bool TransB { get; init; }

        public bool Packed { get; init; }

        public bool Parallel { get; init; }

        public Activation? Activation { get; init; }

        public double? FractionFloor { get; init; }

        public double Operations => 2.0 * M * N * K;

        public override string ToString() => $"{Name} {M}x{K}{(TransA ? "ᵀ" : "")} · {K}x{N}{(TransB ? "ᵀ" : "")}";
    }
}
