using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>The workloads of experiments on small images and on sentences, beside the same work in PyTorch.</summary>
internal static class WorkloadBenchmark
{
    private const int Warming = 2;

    /// <summary>How each workload is made, with the sizes that it is compared at.</summary>
    public static readonly (Func<Sizes, Workload> Create, Sizes Sizes)[] All =
    [
        (TrainingWorkload.Create, TrainingWorkload.Sizes),
        (TrainingWorkload.CreateFlow, TrainingWorkload.Sizes),
        (IterativeWorkload.Create, IterativeWorkload.Sizes),
        (SemiAmortizedWorkload.Create, SemiAmortizedWorkload.Sizes),
        (LocalWorkload.Create, LocalWorkload.Sizes),
        (FlowLocalWorkload.Create, FlowLocalWorkload.Sizes),
        (ImportanceWorkload.Create, ImportanceWorkload.Sizes),
        (AisWorkload.Create, AisWorkload.Sizes),
        (HessianWorkload.Create, HessianWorkload.Sizes),
        (ConvolutionWorkload.Create, ConvolutionWorkload.Sizes),
        (LanguageWorkload.Create, LanguageWorkload.Sizes),
    ];

    /// <summary>Measures every workload that is asked for.</summary>
    /// <param name="limit">GFLOP/s of all threads.</param>
    /// <param name="comparison">Times both sides.</param>
    /// <param name="wants">Which names are asked for.</param>
    public static IEnumerable<Measurement> Measure(double limit, Comparison comparison, Func<string, bool> wants)
    {
        foreach (var (create, sizes) in All)
        {
            var described = create(sizes);
            if (!wants($"{described.Key}: {described.Name}"))
            {
                continue;
            }

            var (workload, peak) = CreateAlone(() => create(sizes));
            var allocated = Allocated(workload);
            var times = comparison.Measure(workload.Run, workload.Key, workload.Units);
            yield return Measurement.Of(workload.Name, times, workload.Operations, limit) with
            {
                Formula = workload.Formula,
                FractionFloor = workload.FractionFloor,
                RatioFloor = workload.RatioFloor,
                PeakBytes = peak,
                AllocatedBytes = allocated,
            };
        }
    }

    /// <summary>
    /// Makes and runs a workload on a new thread that does everything itself: tensor memory is kept by the thread that used it, so that what
    /// was measured before does not count.
    /// </summary>
    private static (Workload Workload, long Peak) CreateAlone(Func<Workload> create)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Device device = CpuDevice.Instance;
        var threads = WorkerPool.Threads;
        WorkerPool.Threads = 1;
        try
        {
            device.ResetPeak();
            var before = device.AllocatedBytes;
            var alone = Task.Factory.StartNew(
                () =>
                {
                    var made = create();
                    Warm(made);
                    return made;
                },
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
            var workload = alone.GetAwaiter().GetResult();
            return (workload, device.PeakBytes - before);
        }
        finally
        {
            WorkerPool.Threads = threads;
        }
    }

    /// <summary>Managed bytes of one unit of work on all threads.</summary>
    private static double Allocated(Workload workload)
    {
        Warm(workload);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        workload.Run();
        return (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)workload.Units;
    }

    private static void Warm(Workload workload)
    {
        for (var i = 0; i < Warming; i++)
        {
            workload.Run();
        }
    }
}
