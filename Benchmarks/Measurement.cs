namespace GapLab.Benchmarks;

/// <summary>One row of the table.</summary>
/// <param name="Name">What was done.</param>
/// <param name="Threads">Threads of the pool.</param>
/// <param name="Microseconds">Best time of one call.</param>
/// <param name="Gflops">10^9 operations per second, or null where operations are not counted.</param>
/// <param name="Fraction">Fraction of the machine's limit with as many threads, or null.</param>
internal sealed record Measurement(string Name, int Threads, double Microseconds, double? Gflops, double? Fraction);
