using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>
/// What it costs to reach every thread of the pool while it spins. The parts wait for each other: empty ones would
/// all be taken by the caller before a worker had seen them, and nothing would have been handed over.
/// </summary>
internal static unsafe class HandOver
{
    /// <summary>One row, or none when the pool has a single thread.</summary>
    public static IEnumerable<Measurement> All()
    {
        if (WorkerPool.Threads == 1)
        {
            return [];
        }

        var seconds = Repeat.Best(
            static () =>
            {
                var arrived = 0;
                WorkerPool.Run(WorkerPool.Threads, &Meet, &arrived);
            },
            TimeSpan.FromSeconds(0.5));
        return [new Measurement("hand-over to spinning workers and back", WorkerPool.Threads, seconds)];
    }

    private static void Meet(void* context, int part)
    {
        ref var arrived = ref *(int*)context;
        Interlocked.Increment(ref arrived);
        while (Volatile.Read(ref arrived) < WorkerPool.Threads)
        {
            Thread.SpinWait(1);
        }
    }
}
