using System.Text.Encodings.Web;
using System.Text.Json;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>Everything that was measured, for other programs to read.</summary>
/// <param name="Machine">What it was measured on.</param>
/// <param name="Torch">PyTorch's version, or null.</param>
/// <param name="Products">Matrix products and the hand-over.</param>
/// <param name="Workloads">The workloads.</param>
/// <param name="Scaling">The scaling tables.</param>
internal sealed record Report(
    Machine Machine, string? Torch, List<Measurement> Products, List<Measurement> Workloads, List<Report.ScalingRows> Scaling)
{
    private static readonly JsonSerializerOptions Style = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Finds out before measuring whether a file can be written.</summary>
    /// <exception cref="GapLabException">It cannot.</exception>
    public static void Open(string file) => Guard(file, () => File.Open(file, FileMode.OpenOrCreate, FileAccess.Write).Dispose());

    /// <summary>Writes a file.</summary>
    /// <exception cref="GapLabException">It cannot be written.</exception>
    public void Save(string file) => Guard(file, () => File.WriteAllText(file, JsonSerializer.Serialize(this, Style)));

    /// <summary>One scaling table.</summary>
    internal sealed record ScalingRows(string Title, string Size, List<ScalingRow> Rows);

    /// <summary>One row of a scaling table.</summary>
    internal sealed record ScalingRow(int Value, Measurement Measurement);

    private static void Guard(string file, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new GapLabException($"The measurements cannot be written to '{file}': {e.Message}", e);
        }
    }
}
