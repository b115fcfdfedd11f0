using System.Text.Json.Nodes;
using GapLab.Bounds;
using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>A stored result of an evaluation: averages at once, the numbers of single datapoints when they are asked for.</summary>
public sealed class MeasuredCell
{
    private const string ErrorSuffix = ".standardError", DatapointsName = "datapoint", DirectionPrefix = "gaplab.direction.";

    private readonly Lazy<SafetensorsFile> _values;

    internal MeasuredCell(string key, JsonObject spec, IReadOnlyList<ColumnSummary> columns, IReadOnlyDictionary<string, double> scalars, Provenance provenance, bool isStale, Func<SafetensorsFile> readValues)
    {
        Key = key;
        Spec = spec;
        Columns = columns;
        Scalars = scalars;
        Provenance = provenance;
        IsStale = isStale;
        // A failure is not remembered: the file may be replaced by a whole one.
        _values = new Lazy<SafetensorsFile>(readValues, LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>Its name in the store.</summary>
    public string Key { get; }

    /// <summary>The complete description of what was evaluated.</summary>
    public JsonObject Spec { get; }

    /// <summary>The averages of all columns.</summary>
    public IReadOnlyList<ColumnSummary> Columns { get; }

    /// <summary>Numbers of the whole set of datapoints.</summary>
    public IReadOnlyDictionary<string, double> Scalars { get; }

    /// <summary>Where the numbers come from.</summary>
    public Provenance Provenance { get; }

    /// <summary>Whether another revision of a component gave the numbers than the one asked for.</summary>
    public bool IsStale { get; }

    /// <summary>The index of every datapoint in its data set.</summary>
    /// <exception cref="DataException">The file with the values is missing or damaged.</exception>
    public int[] Datapoints => Array.ConvertAll(_values.Value[DatapointsName].ToInt64(), index => (int)index);

    /// <summary>The average of a column.</summary>
    /// <param name="column">Its name.</param>
    /// <exception cref="DataException">The measure has no such column; the message lists those it has.</exception>
    public ColumnSummary Summary(string column) =>
        Columns.FirstOrDefault(summary => summary.Name == column)
        ?? throw new DataException($"The measure has no column '{column}', but {string.Join(", ", Columns.Select(summary => $"'{summary.Name}'"))}.");

    /// <summary>The numbers of single datapoints.</summary>
    /// <param name="column">A column's name.</param>
    /// <exception cref="DataException">The measure has no such column, or the file with the values is missing or damaged.</exception>
    public double[] Values(string column) => _values.Value[Summary(column).Name].ToDoubles();

    /// <summary>A column as the estimate of a bound.</summary>
    /// <param name="column">Its name.</param>
    /// <exception cref="DataException">The measure has no such column, or it is no bound.</exception>
    public BoundEstimate Bound(string column)
    {
        BoundDirection direction = Summary(column).Direction ?? throw new DataException($"The column '{column}' is no bound on log p(x).");
        double[] errors = _values.Value.TryGet(column + ErrorSuffix, out SafetensorsEntry? entry) ? entry.ToDoubles() : [];
        return new BoundEstimate(column, direction, Values(column), errors) { Datapoints = Datapoints };
    }

    /// <summary>Whether an entry of this name holds something else than a column.</summary>
    internal static bool IsReserved(string name) => name == DatapointsName || name.EndsWith(ErrorSuffix, StringComparison.Ordinal);

    /// <summary>The entries that hold the numbers of single datapoints.</summary>
    internal static List<SafetensorsEntry> Entries(ReadOnlySpan<int> datapoints, IReadOnlyList<MeasuredColumn> columns)
    {
        long[] shape = [datapoints.Length];
        var entries = new List<SafetensorsEntry> { SafetensorsEntry.FromInt64(DatapointsName, shape, Array.ConvertAll(datapoints.ToArray(), index => (long)index)) };
        foreach (MeasuredColumn column in columns)
        {
            entries.Add(SafetensorsEntry.FromDoubles(column.Name, shape, column.Values));
            if (column.StandardErrors is not null)
                entries.Add(SafetensorsEntry.FromDoubles(column.Name + ErrorSuffix, shape, column.StandardErrors));
        }
        return entries;
    }

    /// <summary>The metadata beside the entries.</summary>
    internal static Dictionary<string, string> MetadataOf(IReadOnlyList<MeasuredColumn> columns) =>
        columns.Where(column => column.Direction is not null).ToDictionary(column => DirectionPrefix + column.Name, column => column.Direction.ToString()!);

    /// <summary>The columns that a file holds.</summary>
    /// <exception cref="DataException">The file was not made from columns.</exception>
    internal static MeasuredColumn[] ColumnsOf(SafetensorsFile file) =>
    [
        .. from entry in file.Entries
           where !IsReserved(entry.Name)
           select new MeasuredColumn(
               entry.Name,
               entry.ToDoubles(),
               file.TryGet(entry.Name + ErrorSuffix, out SafetensorsEntry? errors) ? errors.ToDoubles() : null,
               file.Metadata.TryGetValue(DirectionPrefix + entry.Name, out string? text) && Enum.TryParse(text, out BoundDirection direction) ? direction : null),
    ];
}
