using GapLab.Bounds;

namespace GapLab.Experiments;

/// <summary>A column of a cell, averaged over its datapoints.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Mean">The average.</param>
/// <param name="MonteCarloError">Its standard error for these datapoints: what another seed would change; null where single values have none.</param>
/// <param name="PointError">Its standard error over datapoints: what other datapoints would change; null for a single one.</param>
/// <param name="Direction">On which side of log p(x) the expectation lies; null for numbers that are no bounds.</param>
public sealed record ColumnSummary(string Name, double Mean, double? MonteCarloError = null, double? PointError = null, BoundDirection? Direction = null)
{
    /// <summary>The summary of a column.</summary>
    internal static ColumnSummary Of(MeasuredColumn column)
    {
        int n = column.Values.Length;
        double mean = column.Values.Average();
        return new ColumnSummary(
            column.Name,
            mean,
            column.StandardErrors is { } errors ? Math.Sqrt(errors.Sum(error => error * error)) / n : null,
            n > 1 ? Math.Sqrt(column.Values.Sum(value => (value - mean) * (value - mean)) / (n - 1.0) / n) : null,
            column.Direction);
    }
}
