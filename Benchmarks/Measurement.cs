using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>One row of a table: the best times of both sides, and what follows from them.</summary>
/// <param name="Name">What was done.</param>
/// <param name="Threads">Threads of the pool.</param>
/// <param name="Seconds">Our best time.</param>
/// <param name="Operations">Floating-point operations counted, or null where they are not.</param>
/// <param name="Limit">GFLOP/s that as many threads can reach.</param>
internal sealed record Measurement(string Name, int Threads, double Seconds, double? Operations = null, double? Limit = null)
{
    /// <summary>How the operations were counted.</summary>
    public string? Formula { get; init; }

    /// <summary>10^9 operations per second.</summary>
    public double? Gflops => Operations / Seconds / 1e9;

    /// <summary>The fraction of the machine's limit.</summary>
    public double? Fraction => Gflops / Limit;

    /// <summary>The fraction that is required.</summary>
    public double? FractionFloor { get; init; }

    /// <summary>PyTorch's best time.</summary>
    public double? PeerSeconds { get; init; }

    /// <summary>The number of threads with which PyTorch was fastest.</summary>
    public int? PeerThreads { get; init; }

    /// <summary>How many times as long PyTorch takes.</summary>
    public double? Ratio => PeerSeconds / Seconds;

    /// <summary>The ratio that is required.</summary>
    public double? RatioFloor { get; init; }

    /// <summary>Whether others used the machine all the while: the times are then too long, on either side.</summary>
    public bool Disturbed { get; init; }

    /// <summary>The most bytes of tensors that the workload holds when one thread does it all, its parameters and data included.</summary>
    public long? PeakBytes { get; init; }

    /// <summary>Managed bytes allocated by one call, once warm.</summary>
    public double? AllocatedBytes { get; init; }

    /// <summary>A measurement that was compared with PyTorch.</summary>
    public static Measurement Of(string name, Times times, double operations, double limit) =>
        new(name, WorkerPool.Threads, times.Seconds, operations, limit)
        {
            PeerSeconds = times.PeerSeconds,
            PeerThreads = times.PeerThreads,
            Disturbed = times.Disturbed,
        };
}
