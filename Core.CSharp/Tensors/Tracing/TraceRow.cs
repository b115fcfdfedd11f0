namespace GapLab.Tensors.Tracing;

/// <summary>What a phase, or a kernel inside it, took altogether.</summary>
/// <param name="Phase">The names from the outermost phase to this one, with " / " between; empty for what ran outside all phases.</param>
/// <param name="Kernel">The kernel; empty for the phase as a whole.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Seconds">Its time: of a phase, from its beginning to its end; of a kernel, summed over the threads that ran it, without the phases inside this one.</param>
/// <param name="Operations">Floating-point operations, where they are counted: those of matrix products. Of a phase, those of the phases inside it, too.</param>
public sealed record TraceRow(string Phase, string Kernel, long Calls, double Seconds, double Operations)
{
    /// <summary>10⁹ counted operations a second; 0 where none are counted.</summary>
    public double GigaflopsPerSecond => Seconds > 0 ? Operations / Seconds / 1e9 : 0;
}
