using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>Where a stored result comes from.</summary>
public sealed record Provenance
{
    /// <summary>GapLab's version and, where it was built from a repository, revision.</summary>
    public required string Version { get; init; }

    /// <summary>The runtime.</summary>
    public required string Runtime { get; init; }

    /// <summary>Operating system and processor architecture.</summary>
    public required string Platform { get; init; }

    /// <summary>The device.</summary>
    public required string Device { get; init; }

    /// <summary>The width of the processor's vectors in bits: on another width last digits may differ.</summary>
    public required int SimdBits { get; init; }

    /// <summary>Worker threads; results do not depend on them.</summary>
    public required int Threads { get; init; }

    /// <summary>When the result was finished, in UTC.</summary>
    public required DateTime Finished { get; init; }

    /// <summary>The seconds it took, interrupted runs included.</summary>
    public required double WallSeconds { get; init; }

    /// <summary>The data: name, index ranges of the parts, binarization.</summary>
    public required string Data { get; init; }

    /// <summary>The SHA-256 of the unpacked bytes of every data file, by file name.</summary>
    public required IReadOnlyDictionary<string, string> DataFiles { get; init; }

    /// <summary>GapLab's version and, where it was built from a repository, revision.</summary>
    public static string LibraryVersion { get; } =
        typeof(Provenance).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The width of the vectors that kernels use on this machine, in bits.</summary>
    public static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    /// <summary>The provenance of a result that has just been finished.</summary>
    /// <param name="device">Where it was computed.</param>
    /// <param name="data">From which data.</param>
    /// <param name="seconds">How long it took.</param>
    public static Provenance Now(Device device, LoadedData data, double seconds) => new()
    {
        Version = LibraryVersion,
        Runtime = RuntimeInformation.FrameworkDescription,
        Platform = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}",
        Device = device.Name,
        SimdBits = VectorBits,
        Threads = WorkerPool.AvailableThreads,
        Finished = DateTime.UtcNow,
        WallSeconds = seconds,
        Data = data.Set.Provenance,
        DataFiles = data.Set.Files.ToDictionary(file => Path.GetFileName(file.Path), file => file.Sha256),
    };
}
