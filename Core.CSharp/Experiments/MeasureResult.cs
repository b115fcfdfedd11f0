namespace GapLab.Experiments;

/// <summary>What a measure finds.</summary>
/// <param name="Columns">Numbers of single datapoints.</param>
/// <param name="Scalars">Numbers of the whole set; only measures of whole sets have any.</param>
public sealed record MeasureResult(IReadOnlyList<MeasuredColumn> Columns, IReadOnlyDictionary<string, double> Scalars)
{
    /// <summary>Numbers of single datapoints only.</summary>
    /// <param name="columns">The columns.</param>
    public MeasureResult(params MeasuredColumn[] columns) : this(columns, new Dictionary<string, double>()) { }

    /// <summary>The results of consecutive blocks of datapoints as one.</summary>
    internal static MeasureResult Join(IReadOnlyList<MeasureResult> blocks) => blocks.Count == 1
        ? blocks[0]
        : new MeasureResult([.. Enumerable.Range(0, blocks[0].Columns.Count).Select(i => MeasuredColumn.Join([.. blocks.Select(block => block.Columns[i])]))]);
}
