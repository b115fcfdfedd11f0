using System.Diagnostics;

namespace GapLab.Benchmarks;

/// <summary>Timing on a machine that others may be using: the best of many repetitions.</summary>
internal static class Repeat
{
    private const int FewestGroups = 3;
    private const double GroupSeconds = 50e-6;

    /// <summary>Seconds of the fastest call, from calls that take <paramref name="total"/> together; at least a few are made.</summary>
    public static double Best(Action action, TimeSpan total)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        var once = Math.Max(Time(action, 1), 1e-9);

        // Short calls are timed in groups, so that reading the clock does not count.
        var group = (int)Math.Clamp(GroupSeconds / once, 1, 10_000);
        var best = double.PositiveInfinity;
        for (var done = 0; done < FewestGroups || Stopwatch.GetElapsedTime(start) < total; done++)
        {
            best = Math.Min(best, Time(action, group));
        }

        return best;
    }

    private static double Time(Action action, int calls)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < calls; i++)
        {
            action();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }
}
