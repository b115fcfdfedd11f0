namespace GapLab.Models;

/// <summary>
/// The generator of sentences whose true distribution is known (Kim et al. 2018, section 4.1): z ~ N(0, I), h_t = LSTM(h_{t-1}, x_t), x_{t+1} ~ softmax(W [h_t, z] + b). The paper does not state how
/// its weights were drawn; these are uniform, in ranges that are settings.
/// </summary>
public sealed record OracleOptions
{
    /// <summary>V, the number of words.</summary>
    public int VocabularySize { get; init; } = 1000;

    /// <summary>The size of h.</summary>
    public int HiddenSize { get; init; } = 100;

    /// <summary>The size of a word's embedding.</summary>
    public int EmbeddingSize { get; init; } = 100;

    /// <summary>The size of z.</summary>
    public int LatentSize { get; init; } = 2;

    /// <summary>T, the number of words of every sentence.</summary>
    public int Length { get; init; } = 5;

    /// <summary>Embeddings, the weights of the LSTM and those from h to the words are uniform on ±this.</summary>
    public double Range { get; init; } = 1;

    /// <summary>The weights from z to the words are uniform on ±this.</summary>
    public double LatentRange { get; init; } = 5;

    /// <summary>The seed of the weights.</summary>
    public ulong Seed { get; init; } = 1;
}
