using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>
/// The most float32 operations per second that this machine can do: independent fused multiply-adds that touch
/// registers only. Every other rate is reported as a fraction of it.
/// </summary>
internal static unsafe class FmaLimit
{
    private const int Steps = 20_000;
    private const int Chains = 16;
    private const int ProbeRuns = 500;
    private const double ProbeFraction = 0.88;

    /// <summary>GFLOP/s of one core.</summary>
    public static double OneCore() => Flops(1) / Repeat.Best(static () => Chain(null, 0), TimeSpan.FromSeconds(0.3)) / 1e9;

    /// <summary>GFLOP/s of all threads of the pool together.</summary>
    public static double AllCores()
    {
        var parts = WorkerPool.Threads;
        return Flops(parts) / Repeat.Best(() => WorkerPool.Run(parts, &Chain, null), TimeSpan.FromSeconds(1)) / 1e9;
    }

    /// <summary>
    /// Whether nobody else keeps this machine busy just now: over a few hundredths of a second all threads reach their limit on average, not only at best.
    /// </summary>
    /// <param name="limit">GFLOP/s of all threads.</param>
    public static bool IsReached(double limit)
    {
        var parts = WorkerPool.Threads;
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < ProbeRuns; i++)
        {
            WorkerPool.Run(parts, &Chain, null);
        }

        return Flops(parts) * ProbeRuns / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9 > ProbeFraction * limit;
    }

    private static int Lanes =>
        Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4;

    private static double Flops(int parts) => 2.0 * Steps * Chains * Lanes * parts;

    private static void Chain(void* context, int part)
    {
        var sum = Vector512.IsHardwareAccelerated ? Chain512() : Vector256.IsHardwareAccelerated ? Chain256() : Chain128();
        if (sum == 1)
        {
            throw new UnreachableException("The chains start from zero and stay there.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Chain512()
    {
        var x = Vector512.Create(0.5f);
        Vector512<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        Vector512<float> i = default, j = default, k = default, l = default, m = default, n = default, o = default, p = default;
        for (var step = 0; step < Steps; step++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, a);
            b = Vector512.FusedMultiplyAdd(b, x, b);
            c = Vector512.FusedMultiplyAdd(c, x, c);
            d = Vector512.FusedMultiplyAdd(d, x, d);
            e = Vector512.FusedMultiplyAdd(e, x, e);
            f = Vector512.FusedMultiplyAdd(f, x, f);
            g = Vector512.FusedMultiplyAdd(g, x, g);
            h = Vector512.FusedMultiplyAdd(h, x, h);
            i = Vector512.FusedMultiplyAdd(i, x, i);
            j = Vector512.FusedMultiplyAdd(j, x, j);
            k = Vector512.FusedMultiplyAdd(k, x, k);
            l = Vector512.FusedMultiplyAdd(l, x, l);
            m = Vector512.FusedMultiplyAdd(m, x, m);
            n = Vector512.FusedMultiplyAdd(n, x, n);
            o = Vector512.FusedMultiplyAdd(o, x, o);
            p = Vector512.FusedMultiplyAdd(p, x, p);
        }

        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Chain256()
    {
        var x = Vector256.Create(0.5f);
        Vector256<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (var step = 0; step < 2 * Steps; step++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, a);
            b = Vector256.FusedMultiplyAdd(b, x, b);
            c = Vector256.FusedMultiplyAdd(c, x, c);
            d = Vector256.FusedMultiplyAdd(d, x, d);
            e = Vector256.FusedMultiplyAdd(e, x, e);
            f = Vector256.FusedMultiplyAdd(f, x, f);
            g = Vector256.FusedMultiplyAdd(g, x, g);
            h = Vector256.FusedMultiplyAdd(h, x, h);
        }

        return Vector256.Sum(a + b + c + d + e + f + g + h);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Chain128()
    {
        var x = Vector128.Create(0.5f);
        Vector128<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (var step = 0; step < 2 * Steps; step++)
        {
            a = Vector128.FusedMultiplyAdd(a, x, a);
            b = Vector128.FusedMultiplyAdd(b, x, b);
            c = Vector128.FusedMultiplyAdd(c, x, c);
            d = Vector128.FusedMultiplyAdd(d, x, d);
            e = Vector128.FusedMultiplyAdd(e, x, e);
            f = Vector128.FusedMultiplyAdd(f, x, f);
            g = Vector128.FusedMultiplyAdd(g, x, g);
            h = Vector128.FusedMultiplyAdd(h, x, h);
        }

        return Vector128.Sum(a + b + c + d + e + f + g + h);
    }
}
