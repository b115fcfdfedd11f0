using GapLab.Bounds;

namespace GapLab.Experiments;

/// <summary>One number for every datapoint.</summary>
/// <param name="Name">What it is, such as "elbo".</param>
/// <param name="Values">The numbers.</param>
/// <param name="StandardErrors">The Monte-Carlo standard error of each; null where there is none.</param>
/// <param name="Direction">On which side of log p(x) the expectation lies, for bounds; null for other numbers.</param>
public sealed record MeasuredColumn(string Name, double[] Values, double[]? StandardErrors = null, BoundDirection? Direction = null)
{
    /// <summary>A column of a bound.</summary>
    /// <param name="name">What it is.</param>
    /// <param name="estimate">The estimates.</param>
    public static MeasuredColumn Of(string name, BoundEstimate estimate) =>
        new(name, estimate.Values, estimate.StandardErrors is [] ? null : estimate.StandardErrors, estimate.Direction);

    /// <summary>The columns of consecutive blocks of datapoints as one.</summary>
    /// <param name="blocks">The same column of every block.</param>
    internal static MeasuredColumn Join(IReadOnlyList<MeasuredColumn> blocks) => blocks[0] with
    {
        Values = [.. blocks.SelectMany(block => block.Values)],
        StandardErrors = blocks[0].StandardErrors is null ? null : [.. blocks.SelectMany(block => block.StandardErrors!)],
    };
}
