using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>What a measure finds.</summary>
/// <param name="Columns">Numbers of single datapoints.</param>
/// <param name="Scalars">Numbers of the whole set; only measures of whole sets have any.</param>
public sealed record MeasureResult(IReadOnlyList<MeasuredColumn> Columns, IReadOnlyDictionary<string, double> Scalars)
{
    /// <summary>Numbers of single datapoints only.</summary>
    /// <param name="columns">The columns.</param>
    public MeasureResult(params MeasuredColumn[] columns) : this(columns, new Dictionary<string, double>()) { }

    /// <summary>Checks what a measure, perhaps a script's own, gave for a block.</summary>
    /// <exception cref="GapLabException">Another number of values than datapoints, a name that cannot be stored, or what only measures of whole sets have.</exception>
    internal void Require(Measure measure, int datapoints)
    {
        string name = measure.Identity.Name;
        foreach (MeasuredColumn column in Columns)
        {
            if (column.Values.Length != datapoints || (column.StandardErrors is { } errors && errors.Length != datapoints))
                throw new GapLabException($"The measure '{name}' must give one value of '{column.Name}', and one standard error or none, for each of {datapoints} datapoints, not {column.Values.Length} and {column.StandardErrors?.Length ?? 0}.");
            if (MeasuredCell.IsReserved(column.Name) || Columns.Count(other => other.Name == column.Name) > 1)
                throw new GapLabException($"The measure '{name}' has a column '{column.Name}' whose name is taken; give it another.");
        }
        if (!measure.IsOfWholeSet && (Columns.Count == 0 || Scalars.Count > 0))
            throw new GapLabException($"The measure '{name}' must give columns, and no numbers of the whole set unless its property IsOfWholeSet is true.");
    }

    /// <summary>The results of consecutive blocks of datapoints as one.</summary>
    internal static MeasureResult Join(IReadOnlyList<MeasureResult> blocks) => blocks.Count == 1
        ? blocks[0]
        : new MeasureResult([.. Enumerable.Range(0, blocks[0].Columns.Count).Select(i => MeasuredColumn.Join([.. blocks.Select(block => block.Columns[i])]))]);
}
