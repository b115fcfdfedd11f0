using System.Diagnostics;

namespace GapLab.Benchmarks;

/// <summary>Timing on a machine that others may be using: the best of many repetitions.</summary>
internal static class Repeat
{
    private const int Rounds = 100;

    /// <summary>Seconds of the fastest call, from rounds that take <paramref name="total"/> together.</summary>
    public static double Best(Action action, TimeSpan total)
    {
        var clock = Stopwatch.StartNew();
        var calls = 0;
        while (clock.Elapsed < total / 2 || calls < 3)
        {
            action();
            calls++;
        }

        // Short calls are timed in groups, so that reading the clock does not count.
        var group = Math.Max(1, (int)(calls * 2.0 / Rounds));
        var best = double.PositiveInfinity;
        for (var round = 0; round < Rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < group; i++)
            {
                action();
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / group);
        }

        return best;
    }
}
