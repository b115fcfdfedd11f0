using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>What the numbers were measured on.</summary>
/// <param name="Cpu">The processor's name, as far as the system tells.</param>
/// <param name="Processors">Logical processors that this process may use.</param>
/// <param name="Threads">Threads of the pool.</param>
/// <param name="VectorBits">The widest vectors that the kernels use.</param>
/// <param name="System">The operating system.</param>
/// <param name="Runtime">The .NET version.</param>
/// <param name="OneCoreGflops">The float32 limit of one core.</param>
/// <param name="AllCoresGflops">The float32 limit of all threads together.</param>
internal sealed record Machine(
    string Cpu, int Processors, int Threads, int VectorBits, string System, string Runtime, double OneCoreGflops, double AllCoresGflops)
{
    private const int Attempts = 4;

    /// <summary>Fractions of a limit that was itself measured on a busy machine would flatter the kernels.</summary>
    public bool WasBusy => AllCoresGflops < 0.8 * OneCoreGflops * Math.Min(Threads, Processors);

    /// <summary>Describes and measures this machine; where others keep it busy it tries a few times.</summary>
    public static Machine Measure()
    {
        var width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        var machine = new Machine(
            CpuName(), Environment.ProcessorCount, WorkerPool.Threads, width, RuntimeInformation.OSDescription,
            RuntimeInformation.FrameworkDescription, FmaLimit.OneCore(), FmaLimit.AllCores());
        for (var attempt = 1; machine.WasBusy && attempt < Attempts; attempt++)
        {
            machine = machine with { AllCoresGflops = Math.Max(machine.AllCoresGflops, FmaLimit.AllCores()) };
        }

        return machine;
    }

    private static string CpuName()
    {
        const string Information = "/proc/cpuinfo";
        var name = File.Exists(Information)
            ? File.ReadLines(Information).FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return name is null
            ? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString()
            : name[(name.IndexOf(':') + 1)..].Trim();
    }
}
