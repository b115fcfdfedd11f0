namespace GapLab.Tensors.Tracing;

/// <summary>One run of one kernel; times in ticks of the stopwatch.</summary>
internal readonly record struct KernelEvent(long Start, long End, int Path, int Kernel, int A, int B, int C);

/// <summary>One phase that has ended; times in ticks of the stopwatch, memory in bytes.</summary>
internal readonly record struct PhaseEvent(long Start, long End, int Path, long Allocated, (string Name, object Value)[] Arguments);

/// <summary>What a phase path stands for: its last name, and the path around it.</summary>
internal readonly record struct PhasePath(string Name, int Parent);

/// <summary>The runs of one kernel in one phase on one thread.</summary>
internal record struct KernelSum(long Calls, long Ticks, double Operations);

/// <summary>Memory at one moment, in bytes, and the garbage collections so far.</summary>
internal readonly record struct MemorySample(long Time, long Tensors, long Managed, int Generation0, int Generation1, int Generation2);
