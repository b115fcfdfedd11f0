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

    /// <summary>Measures every case; the limits are GFLOP/s of one core and of all threads.</summary>
    public static IEnumerable<Measurement> All(double oneCore, double allCores, string filter)
    {
        foreach (var item in Cases())
        {
            if (item.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))
            {
                yield return Measure(item, 1, oneCore);
                if (item.Parallel && WorkerPool.Threads > 1)
                {
                    yield return Measure(item, WorkerPool.Threads, allCores);
                }
            }
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
        var (m, n, k) = (item.M, item.N, item.K);
        var a = Filled(m * k);
        var b = Filled(k * n);
        var c = Filled(m * n);
        var bias = Filled(n);
        var packed = item.Packed ? new PackedMatrix(k, n, b, item.TransB ? k : n, item.TransB) : null;
        var epilogue = item.Activation is { } activation ? new Epilogue(bias, activation) : default;
        var before = WorkerPool.Threads;
        try
        {
            WorkerPool.Threads = threads;
            var seconds = Repeat.Best(
                () =>
                {
                    if (packed != null)
                    {
                        MatrixProduct.Multiply(a, k, false, packed, c, n, m, false, epilogue);
                    }
                    else
                    {
                        MatrixProduct.Multiply(
                            a, item.TransA ? m : k, item.TransA, b, item.TransB ? k : n, item.TransB, c, n, m, n, k, false, epilogue);
                    }
                },
                TimeSpan.FromSeconds(0.2));
            var rate = 2.0 * m * n * k / seconds / 1e9;
            return new Measurement(item.ToString(), threads, seconds * 1e6, rate, rate / limit);
        }
        finally
        {
            WorkerPool.Threads = before;
            packed?.Dispose();
            NativeMemory.AlignedFree(a);
            NativeMemory.AlignedFree(b);
            NativeMemory.AlignedFree(c);
            NativeMemory.AlignedFree(bias);
        }
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

    private sealed record Case(string Name, int M, int N, int K)
    {
        public bool TransA { get; init; }

        public bool TransB { get; init; }

        public bool Packed { get; init; }

        public bool Parallel { get; init; }

        public Activation? Activation { get; init; }

        public override string ToString() => $"{Name} {M}x{K}{(TransA ? "ᵀ" : "")} · {K}x{N}{(TransB ? "ᵀ" : "")}";
    }
}
