using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace GapLab.Tensors.Tracing;

/// <summary>
/// Where time and memory go. Between <see cref="Start"/> and <see cref="TraceRecording.Stop"/> every <see cref="Phase"/> and every kernel of a
/// <see cref="TracingDevice"/> is noted; otherwise a phase costs one look at a field, and a run without a <see cref="TracingDevice"/> has no other cost.
/// </summary>
public static class Trace
{
    /// <summary>Kernels noted one by one unless <see cref="Start"/> is told otherwise; 8 MB of memory, about 30 MB of file.</summary>
    public const int DefaultKernelLimit = 200_000;

    private static TraceRecording? s_current;

    /// <summary>What is being recorded now; null for nothing.</summary>
    internal static TraceRecording? Current => Volatile.Read(ref s_current);

    /// <summary>Whether a recording is running.</summary>
    public static bool IsRecording => Current is not null;

    /// <summary>Starts to record what all threads of the process do. There is one recording at a time.</summary>
    /// <param name="device">The device whose tensor memory is noted.</param>
    /// <param name="kernelLimit">
    /// How many kernels are noted one by one, at least 0. Of a phase each thread keeps the first ones up to a tenth of the limit, so that an early long phase does not leave
    /// the later ones without; kernels beyond are summed only.
    /// </param>
    /// <exception cref="GapLabException">A recording is running already, or the limit is negative.</exception>
    public static TraceRecording Start(Device device, int kernelLimit = DefaultKernelLimit)
    {
        if (kernelLimit < 0)
            throw new GapLabException($"A trace cannot keep {kernelLimit} kernels; give a limit of 0 or more.");
        var recording = new TraceRecording(device, kernelLimit);
        if (Interlocked.CompareExchange(ref s_current, recording, null) is not null)
            throw new GapLabException("A trace is being recorded already; stop it before another is started.");
        // The first row of the file is the thread that started it.
        recording.LogOfThread();
        return recording;
    }

    /// <summary>
    /// Opens a phase on this thread; disposing of the result closes it, and what was opened inside it. Kernels that run meanwhile count to it, and so do those that its thread has
    /// <see cref="WorkerPool"/> run on others. Phases of the same name inside the same phase are summed under it, so a name says what is done and the arguments say to what.
    /// </summary>
    /// <param name="name">What is done, such as "AIS".</param>
    /// <param name="arguments">Details to be shown with this phase, such as ("epoch", 3): numbers or text.</param>
    public static TracePhase Phase(string name, params (string Name, object Value)[] arguments) =>
        Current is { } recording ? recording.Open(name, arguments) : TracePhase.None;

    internal static void Stop(TraceRecording recording) => Interlocked.CompareExchange(ref s_current, null, recording);

    /// <summary>The time at which a kernel starts; 0 while nothing is recorded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long KernelStart() => Current is null ? 0 : Stopwatch.GetTimestamp();

    /// <summary>Notes a kernel that has ended on this thread.</summary>
    /// <param name="kernel">Its number in <see cref="TracedKernel"/>.</param>
    /// <param name="start">What <see cref="KernelStart"/> said.</param>
    /// <param name="a">Its first size.</param>
    /// <param name="b">Its second size, if it has one.</param>
    /// <param name="c">Its third size, if it has one.</param>
    internal static void KernelEnd(int kernel, long start, int a, int b = 0, int c = 0)
    {
        if (start != 0 && Current is { } recording)
            recording.LogOfThread().AddKernel(kernel, start, Stopwatch.GetTimestamp(), a, b, c);
    }

    /// <summary>Where and when a worker of the pool starts on parts of another thread's call.</summary>
    internal static (TraceRecording? Recording, int Path, long Time) WorkStart() =>
        Current is { } recording ? (recording, recording.SharedPath, Stopwatch.GetTimestamp()) : default;

    /// <summary>Notes how long a worker of the pool worked, if it got any parts. The phase is that of the beginning: by now its caller may be in another.</summary>
    internal static void WorkEnd((TraceRecording? Recording, int Path, long Time) start, int parts)
    {
        if (parts > 0 && start.Recording is { } recording && recording == Current)
            recording.LogOfThread().AddKernel(TracedKernel.WorkerParts, start.Time, Stopwatch.GetTimestamp(), start.Path, parts, 0, 0);
    }
}
