namespace GapLab.Data;

/// <summary>The three parts of a data set and where each datapoint of them comes from.</summary>
public sealed class DataSplits
{
    /// <summary>Puts the parts together.</summary>
    /// <param name="train">Datapoints to fit models to.</param>
    /// <param name="validation">Datapoints for early stopping and choices; may be empty.</param>
    /// <param name="test">Datapoints for the numbers that are reported.</param>
    /// <param name="ranges">Origin of each part, in order.</param>
    /// <exception cref="DataException">The parts' images differ in size.</exception>
    public DataSplits(DataPart train, DataPart validation, DataPart test, IReadOnlyList<SplitRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(validation);
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(ranges);
        foreach (DataPart part in (ReadOnlySpan<DataPart>)[validation, test])
        {
            if ((part.Height, part.Width, part.Channels) != (train.Height, train.Width, train.Channels))
            {
                throw new DataException(
                    $"'{part.Name}' has {part.Size} images and '{train.Name}' {train.Size}; the parts of a data set must have one size.");
            }
        }

        Train = train;
        Validation = validation;
        Test = test;
        Ranges = ranges;
    }

    /// <summary>Datapoints to fit models to.</summary>
    public DataPart Train { get; }

    /// <summary>Datapoints for early stopping and choices; empty when all training datapoints are trained on.</summary>
    public DataPart Validation { get; }

    /// <summary>Datapoints for the numbers that are reported.</summary>
    public DataPart Test { get; }

    /// <summary>A part.</summary>
    /// <param name="split">Which.</param>
    public DataPart this[DataSplit split] => split switch
    {
        DataSplit.Train => Train,
        DataSplit.Validation => Validation,
        _ => Test,
    };

    /// <summary>Origin of each part, in order; a part made of two files has two entries.</summary>
    public IReadOnlyList<SplitRange> Ranges { get; }
}
