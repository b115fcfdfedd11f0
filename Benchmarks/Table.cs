using System.Globalization;

namespace GapLab.Benchmarks;

/// <summary>Prints measurements as they come.</summary>
/// <param name="floors">Whether to print what is required.</param>
/// <param name="peer">Whether PyTorch takes part.</param>
internal sealed class Table(bool floors, bool peer)
{
    private const int NameWidth = 44;

    /// <summary>Prints a head and a row for each measurement, and returns them.</summary>
    public List<Measurement> Print(string title, IEnumerable<Measurement> measurements)
    {
        var printed = new List<Measurement>();
        foreach (var row in measurements)
        {
            if (printed.Count == 0)
            {
                Head(title);
            }

            printed.Add(row);
            var floor = floors ? Cell(row.FractionFloor, 7, "F2") : "";
            var theirs = peer
                ? Cell(row.PeerSeconds * 1e3, 12, row.PeerSeconds < 1e-4 ? "F5" : "F3") + Cell(row.PeerThreads, 4, "F0")
                    + Cell(row.Ratio, 8, "F2") + (floors ? Cell(row.RatioFloor, 7, "F1") : "")
                : "";
            Line(
                (row.Name + (row.Disturbed ? " *" : "")).PadRight(NameWidth) + Cell(row.Threads, 4, "F0")
                + Cell(row.Seconds * 1e3, 12, row.Seconds < 1e-4 ? "F5" : "F3")
                + Cell(row.Gflops, 9, "F1") + Cell(row.Fraction, 7, "F2") + floor + theirs
                + Cell(row.PeakBytes / 1048576.0, 9, "F2") + Cell(row.AllocatedBytes, 11, "F0"));
        }

        return printed;
    }

    /// <summary>Prints a scaling table and returns its rows.</summary>
    public static List<(int Value, Measurement Measurement)> Print(ScalingTable table)
    {
        Console.WriteLine();
        Console.WriteLine(table.Title);
        Console.WriteLine($"{table.Size,14}{"ms",12}{"GFLOP/s",9}{"limit",7}");
        var printed = new List<(int Value, Measurement Measurement)>();
        foreach (var (value, row) in table.Rows)
        {
            printed.Add((value, row));
            Line(
                Cell(value, 14, "F0") + Cell(row.Seconds * 1e3, 12, "F3") + Cell(row.Gflops, 9, "F1") + Cell(row.Fraction, 7, "F2")
                + (row.Disturbed ? " *" : ""));
        }

        return printed;
    }

    private static void Line(string text) => Console.WriteLine(text.TrimEnd());

    private static string Cell(double? value, int width, string format) =>
        (value?.ToString(format, CultureInfo.InvariantCulture) ?? "").PadLeft(width);

    private void Head(string title)
    {
        Console.WriteLine();
        var theirs = peer ? $"{"PyTorch ms",12}{"thr",4}{"ratio",8}{(floors ? "  floor" : "")}" : "";
        var floor = floors ? "  floor" : "";
        Line($"{title.PadRight(NameWidth)}{"thr",4}{"ms",12}{"GFLOP/s",9}{"limit",7}{floor}{theirs}{"MB",9}{"bytes/call",11}");
    }
}
