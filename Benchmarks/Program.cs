using System.Globalization;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>Measures how near products and whole workloads come to this machine's float32 limit, and how they compare with PyTorch.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            var options = Options.Parse(arguments);
            if (options.Help)
            {
                Console.WriteLine(Options.Usage);
                return 0;
            }

            Run(options);
            return 0;
        }
        catch (GapLabException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    private static void Run(Options options)
    {
        if (options.Json is { } target)
        {
            Report.Open(target);
        }

        var machine = Machine.Measure();
        Say($"{machine.Cpu}, {machine.Processors} processors, {machine.System}, {machine.Runtime}");
        var (one, all) = (machine.OneCoreGflops, machine.AllCoresGflops);
        Say($"{machine.VectorBits}-bit vectors; limit {one:F0} GFLOP/s on one core, {all:F0} on {machine.Threads} threads");
        if (machine.WasBusy)
        {
            Say($"Other programs use this machine: rows with several threads mean little in this run.");
        }

        using var peer = Start(options);
        var span = TimeSpan.FromSeconds(options.Seconds);
        var comparison = new Comparison(peer, all, span);
        var table = new Table(options.Floors, peer is not null);
        var products = table.Print("products", MatrixProductBenchmark.Compared(all, comparison, options.Wants));
        if (options.AllProducts)
        {
            products.AddRange(table.Print(
                "all products", HandOver.All().Where(row => options.Wants(row.Name)).Concat(MatrixProductBenchmark.All(one, all, options.Wants))));
        }

        var workloads = table.Print("workloads", WorkloadBenchmark.Measure(all, comparison, options.Wants));
        var scaling = new List<Report.ScalingRows>();
        if (options.Scaling)
        {
            foreach (var item in Scaling.Tables(machine, span, options.Wants))
            {
                scaling.Add(new(item.Title, item.Size, [.. Table.Print(item).Select(static row => new Report.ScalingRow(row.Value, row.Measurement))]));
            }
        }

        var rows = products.Concat(workloads).Concat(scaling.SelectMany(static item => item.Rows).Select(static row => row.Measurement));
        if (rows.Any(static row => row.Disturbed))
        {
            Say($"* Other programs used the machine in every round: take these rows anew before drawing conclusions.");
        }

        if (peer?.Failure is { } failure)
        {
            Say($"PyTorch stopped answering: {failure}");
        }

        if (products.Count + workloads.Count + scaling.Count == 0)
        {
            throw new GapLabException($"No measurement's name contains '{options.Filter}'.");
        }

        if (options.Json is { } file)
        {
            new Report(machine, peer?.Version, products, workloads, scaling).Save(file);
        }
    }

    private static Peer? Start(Options options)
    {
        if (!options.Peer)
        {
            return null;
        }

        if (Peer.Start(out var failure) is not { } peer)
        {
            Say($"PyTorch is not measured: {failure}");
            return null;
        }

        Say($"PyTorch {peer.Version}, the better of 1 and {WorkerPool.Threads} threads; both sides in turns, best of all");
        if (Agreement.Check(peer) is var (difference, workload, agrees))
        {
            Say(agrees
                ? (FormattableString)$"Both sides compute the same numbers (largest relative difference {difference:E0}, {workload})."
                : $"PyTorch's side computes something else in '{workload}' (relative difference {difference:E0}): do not trust the ratios.");
        }

        return peer;
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
