using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>A data set and the batches that training and evaluation take from it.</summary>
/// <param name="Set">The data set.</param>
/// <param name="Train">What models are fitted to.</param>
/// <param name="Validation">Held-out data; null if there are none.</param>
/// <param name="Test">Test data.</param>
public sealed record LoadedData(DataSet Set, ObservationSource Train, ObservationSource? Validation, ObservationSource Test)
{
    /// <summary>A part.</summary>
    /// <param name="split">Which.</param>
    /// <exception cref="DataException">There are no validation data.</exception>
    public ObservationSource this[DataSplit split] => split switch
    {
        DataSplit.Train => Train,
        DataSplit.Test => Test,
        _ => Validation ?? throw new DataException($"The data set '{Set.Name}' has no validation part as it is used here; hold some of the training data out, or evaluate another part."),
    };

    /// <summary>The size D of a datapoint.</summary>
    public int DataSize => Set.PixelCount;
}
