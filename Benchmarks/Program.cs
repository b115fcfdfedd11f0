using System.Globalization;
using System.Runtime.Intrinsics;
using System.Text.Json;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>Measures this machine's float32 limit and how near the kernels come to it.</summary>
internal static class Program
{
    private const string Usage =
        """
        Usage: GapLab.Benchmarks [--json FILE] [--filter TEXT]
          --json FILE    also write the measurements as JSON
          --filter TEXT  only products whose kind contains TEXT (packed, forward, gradient, square)
        """;

    private static int Main(string[] arguments)
    {
        string? json = null;
        var filter = "";
        for (var i = 0; i < arguments.Length; i += 2)
        {
            if (i + 1 == arguments.Length || arguments[i] is not ("--json" or "--filter"))
            {
                Console.Error.WriteLine(Usage);
                return arguments[i] is "--help" or "-h" ? 0 : 1;
            }

            if (arguments[i] == "--json")
            {
                json = arguments[i + 1];
            }
            else
            {
                filter = arguments[i + 1];
            }
        }

        try
        {
            Run(json, filter);
            return 0;
        }
        catch (GapLabException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    private static void Run(string? json, string filter)
    {
        var width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        var oneCore = FmaLimit.OneCore();
        var allCores = FmaLimit.AllCores();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{width}-bit vectors; limit {oneCore:F0} GFLOP/s on one core, {allCores:F0} on {WorkerPool.Threads} threads"));

        // Fractions of a limit that was itself measured on a busy machine would flatter the kernels.
        var busy = allCores < 0.8 * oneCore * Math.Min(WorkerPool.Threads, Environment.ProcessorCount);
        if (busy)
        {
            Console.WriteLine("Other programs use this machine: rows with several threads mean little in this run.");
        }

        Console.WriteLine($"{"product",-42}{"threads",8}{"us",12}{"GFLOP/s",10}{"of limit",10}");
        var measurements = new List<Measurement>();
        foreach (var row in HandOver.All().Concat(MatrixProductBenchmark.All(oneCore, allCores, filter)))
        {
            measurements.Add(row);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{row.Name,-42}{row.Threads,8}{row.Microseconds,12:F2}{row.Gflops,10:F1}{row.Fraction,10:F2}"));
        }

        if (json != null)
        {
            var report = new
            {
                VectorBits = width,
                OneCoreGflops = oneCore,
                AllCoresGflops = allCores,
                WorkerPool.Threads,
                MachineWasBusy = busy,
                Measurements = measurements,
            };
            var options = new JsonSerializerOptions { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
            File.WriteAllText(json, JsonSerializer.Serialize(report, options));
        }
    }
}
