using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>
/// Times our side and PyTorch in turns, several times, so that a busy spell of the machine does not fall on one of them alone. The best of all
/// rounds counts, for PyTorch with one thread or with as many as we use, whichever is faster.
/// </summary>
/// <param name="peer">PyTorch, or null.</param>
/// <param name="limit">GFLOP/s of all threads when nobody else uses the machine.</param>
/// <param name="span">How long each side is measured in each round.</param>
internal sealed class Comparison(Peer? peer, double limit, TimeSpan span)
{
    /// <summary>Rounds of a measurement that nothing disturbs.</summary>
    public const int FewestRounds = 3;

    private const int MostRounds = 5;
    private const int MostWaits = 4;

    // A round that still improves a side by more shows that those before were disturbed.
    private const double Improvement = 0.03;

    // The threads of whoever was measured before spin for a while before they sleep.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(30);
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(200);

    /// <summary>The best times of both sides.</summary>
    /// <param name="ours">One call of our side.</param>
    /// <param name="theirs">The name of the workload in PyTorch's program.</param>
    /// <param name="units">Units of work in one of our calls.</param>
    public Times Measure(Action ours, string theirs, int units = 1)
    {
        var times = new Times(double.PositiveInfinity, null, null, Disturbed: true);
        var again = true;
        for (var round = 0; round < FewestRounds || (again && round < MostRounds); round++)
        {
            var quiet = WaitForQuiet();
            var after = Round(times, ours, theirs, units);
            Thread.Sleep(Settling);
            quiet &= FmaLimit.IsReached(limit);
            after = after with { Disturbed = times.Disturbed && !quiet };
            again = after.Disturbed || Improves(after.Seconds, times.Seconds) || Improves(after.PeerSeconds, times.PeerSeconds);
            times = after;
        }

        return times;
    }

    private static bool Improves(double? after, double? before) => after < (1 - Improvement) * (before ?? double.PositiveInfinity);

    private Times Round(Times times, Action ours, string theirs, int units)
    {
        times = times with { Seconds = Math.Min(times.Seconds, Repeat.Best(ours, span) / units) };
        foreach (var threads in new[] { 1, WorkerPool.Threads }.Distinct())
        {
            if (peer?.Seconds(theirs, threads, span) is { } seconds && seconds < (times.PeerSeconds ?? double.PositiveInfinity))
            {
                times = times with { PeerSeconds = seconds, PeerThreads = threads };
            }
        }

        return times;
    }

    /// <summary>Gives others some time to finish; returns whether they have.</summary>
    private bool WaitForQuiet()
    {
        Thread.Sleep(Settling);
        for (var wait = 0; !FmaLimit.IsReached(limit); wait++)
        {
            if (wait == MostWaits)
            {
                return false;
            }

            Thread.Sleep(Wait);
        }

        return true;
    }
}
