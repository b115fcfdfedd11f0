using System.Diagnostics;
using System.Globalization;

namespace GapLab.Tensors.Tracing;

/// <summary>The sums of a recording as rows, and as a table.</summary>
internal static class TraceSummary
{
    /// <summary>Between the names of a path.</summary>
    private const string Separator = " / ";

    /// <summary>Phases in the order of their first run, the inner ones below their outer one; below each phase its kernels, longest first.</summary>
    public static IReadOnlyList<TraceRow> Of(TraceRecording recording)
    {
        lock (recording.Gate)
        {
            int paths = recording.Paths.Count;
            var phases = new KernelSum[paths];
            var kernels = new KernelSum[paths][];
            for (int path = 0; path < paths; path++)
                kernels[path] = new KernelSum[TracedKernel.All.Length];
            foreach (TraceLog log in recording.Logs)
            {
                foreach (PhaseEvent phase in log.Phases)
                    Add(ref phases[phase.Path], new KernelSum(1, phase.End - phase.Start, 0));
                for (TracePhase? open = log.Innermost; open is not null; open = open.Parent)
                    Add(ref phases[open.Path], new KernelSum(1, Math.Max(0, recording.Ended - open.Start), 0));
                KernelSum[]?[] sums = log.Sums;
                for (int path = 0; path < Math.Min(paths, sums.Length); path++)
                    for (int kernel = 0; kernel < sums[path]?.Length; kernel++)
                        Add(ref kernels[path][kernel], sums[path]![kernel]);
            }
            // Inner paths have higher numbers than outer ones.
            for (int path = paths - 1; path >= 0; path--)
            {
                phases[path].Operations += kernels[path].Sum(sum => sum.Operations);
                if (path > 0)
                    phases[recording.Paths[path].Parent].Operations += phases[path].Operations;
            }
            var rows = new List<TraceRow>();
            ILookup<int, int> inner = Enumerable.Range(1, paths - 1).ToLookup(path => recording.Paths[path].Parent);
            AddRows(0, "");
            return rows;

            void AddRows(int path, string name)
            {
                if (path > 0)
                    rows.Add(Row(name, "", phases[path]));
                foreach ((KernelSum sum, int kernel) in kernels[path].Select((sum, kernel) => (sum, kernel)).Where(pair => pair.sum.Calls > 0).OrderByDescending(pair => pair.sum.Ticks))
                    rows.Add(Row(name, TracedKernel.All[kernel].Name, sum));
                foreach (int next in inner[path])
                    AddRows(next, path == 0 ? recording.Paths[next].Name : name + Separator + recording.Paths[next].Name);
            }
        }
    }

    /// <summary>Rows as the lines of a table with aligned columns; kernels stand indented below their phase.</summary>
    public static IReadOnlyList<string> Lines(IReadOnlyList<TraceRow> rows)
    {
        const string OutsidePhases = "(outside phases)";
        var lines = new List<(string Name, string Numbers)> { ("phase and kernel", $"{"calls",12}{"seconds",12}{"GFLOP/s",10}") };
        if (rows.Count > 0 && rows[0].Phase == "")
            lines.Add((OutsidePhases, ""));
        foreach (TraceRow row in rows)
        {
            string rate = row.Operations > 0 ? row.GigaflopsPerSecond.ToString("F1", CultureInfo.InvariantCulture) : "";
            lines.Add((row.Kernel == "" ? row.Phase : "  " + row.Kernel, string.Create(CultureInfo.InvariantCulture, $"{row.Calls,12}{row.Seconds,12:F3}{rate,10}")));
        }
        int width = lines.Max(line => line.Name.Length);
        return [.. lines.Select(line => (line.Name.PadRight(width) + line.Numbers).TrimEnd())];
    }

    private static TraceRow Row(string phase, string kernel, KernelSum sum) => new(phase, kernel, sum.Calls, sum.Ticks / (double)Stopwatch.Frequency, sum.Operations);

    private static void Add(ref KernelSum sum, KernelSum more) =>
        sum = new KernelSum(sum.Calls + more.Calls, sum.Ticks + more.Ticks, sum.Operations + more.Operations);
}
