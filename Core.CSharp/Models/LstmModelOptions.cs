namespace GapLab.Models;

/// <summary>The settings of an <see cref="LstmModel"/>.</summary>
public sealed record LstmModelOptions
{
    /// <summary>n, the size of z; 0 for a language model without latent variables.</summary>
    public int LatentSize { get; init; } = 32;

    /// <summary>The size of a word's embedding.</summary>
    public int EmbeddingSize { get; init; } = 512;

    /// <summary>The size of the LSTM's state.</summary>
    public int HiddenSize { get; init; } = 1024;

    /// <summary>Where z enters.</summary>
    public LatentEntry Entry { get; init; } = LatentEntry.InputsAndState;

    /// <summary>With which probability a number of an embedding, and of what words are predicted from, is dropped in training; the others are scaled up.</summary>
    public double Dropout { get; init; }

    /// <summary>With which probability a word is hidden from the next one in training: the embedding of the start takes its place (Bowman et al. 2016).</summary>
    public double WordDropout { get; init; }

    /// <summary>Initial parameters are uniform on ±this.</summary>
    public double InitialRange { get; init; } = 0.1;
}
