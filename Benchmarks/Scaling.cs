using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>A table of one workload's times over one of its sizes.</summary>
/// <param name="Title">Which workload.</param>
/// <param name="Size">What varies.</param>
/// <param name="Rows">The size's values with the measurements.</param>
internal sealed record ScalingTable(string Title, string Size, IEnumerable<(int Value, Measurement Measurement)> Rows);

/// <summary>How time grows with batch size, samples, hidden width and threads; our side only.</summary>
internal static class Scaling
{
    private static readonly int[] Batches = [10, 20, 50, 100, 200, 500, 1000];
    private static readonly int[] Widths = [50, 100, 200, 400, 800];

    /// <summary>The tables of the workloads that are asked for; rows are measured as they are read.</summary>
    /// <param name="machine">The limits.</param>
    /// <param name="span">Time for each row.</param>
    /// <param name="wants">Which titles are asked for.</param>
    public static IEnumerable<ScalingTable> Tables(Machine machine, TimeSpan span, Func<string, bool> wants)
    {
        var (training, local) = (TrainingWorkload.Sizes, LocalWorkload.Sizes);
        ScalingTable[] tables =
        [
            Table("training step", "batch", Batches, b => TrainingWorkload.Create(training with { Datapoints = b })),
            Table("local step, 10 datapoints", "samples", Batches, s => LocalWorkload.Create(local with { Samples = s })),
            Table("training step", "hidden width", Widths, h => TrainingWorkload.Create(training with { Hidden = h })),
            Table("local step", "hidden width", Widths, h => LocalWorkload.Create(local with { Hidden = h })),
            .. WorkloadBenchmark.All.Select(item =>
            {
                var workload = item.Create(item.Sizes);
                return new ScalingTable(workload.Name, "threads", OverThreads(workload, machine, span));
            }),
        ];
        return tables.Where(table => wants(table.Title));

        ScalingTable Table(string title, string size, int[] values, Func<int, Workload> create) =>
            new(title, size, values.Select(value => (value, Measure(create(value), machine.AllCoresGflops, span))));
    }

    private static IEnumerable<(int Value, Measurement Measurement)> OverThreads(Workload workload, Machine machine, TimeSpan span)
    {
        var all = WorkerPool.Threads;
        for (var threads = 1; threads <= all; threads = threads < all ? Math.Min(2 * threads, all) : all + 1)
        {
            Measurement measurement;
            try
            {
                WorkerPool.Threads = threads;
                measurement = Measure(workload, Math.Min(threads * machine.OneCoreGflops, machine.AllCoresGflops), span);
            }
            finally
            {
                WorkerPool.Threads = all;
            }

            yield return (threads, measurement);
        }
    }

    private static Measurement Measure(Workload workload, double limit, TimeSpan span)
    {
        var times = new Comparison(peer: null, limit, span / Comparison.FewestRounds).Measure(workload.Run, workload.Key, workload.Units);
        return Measurement.Of(workload.Name, times, workload.Operations, limit) with { Formula = workload.Formula };
    }
}
