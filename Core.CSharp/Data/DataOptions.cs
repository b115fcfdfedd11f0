using GapLab.Models;

namespace GapLab.Data;

/// <summary>What a script may choose about a data set.</summary>
public sealed record DataOptions
{
    /// <summary>The defaults.</summary>
    public static DataOptions Default { get; } = new();

    /// <summary>Folder looked at first (the command line's --data), or null.</summary>
    public string? Folder { get; init; }

    /// <summary>
    /// How many of the last training images (of a file of one's own: how many at random) become the validation part; null for the data set's own default. 0 trains on all of them
    /// (for binarized-mnist the published 50,000 training and 10,000 validation images) and leaves the validation part empty.
    /// </summary>
    public int? ValidationCount { get; init; }

    /// <summary>How many words the vocabulary of a text has at most, the unknown word and the end of a sentence among them; null for the data set's own default.</summary>
    public int? VocabularySize { get; init; }

    /// <summary>The generator of the sentences called "oracle".</summary>
    public OracleOptions Oracle { get; init; } = new();

    /// <summary>Seed of generated data.</summary>
    public ulong SyntheticSeed { get; init; }

    /// <summary>Number of generated training datapoints; <see cref="ValidationCount"/> (by default 1,000) more are generated beside them.</summary>
    public int SyntheticTrainCount { get; init; } = 5_000;

    /// <summary>Number of generated test datapoints.</summary>
    public int SyntheticTestCount { get; init; } = 1_000;
}
