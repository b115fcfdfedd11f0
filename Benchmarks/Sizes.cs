namespace GapLab.Benchmarks;

/// <summary>The sizes of a workload: a decoder n-H-H-D and an encoder D-H-H-2n, for B datapoints with S samples or chains each.</summary>
/// <param name="Datapoints">B.</param>
/// <param name="Samples">S.</param>
internal sealed record Sizes(int Datapoints, int Samples)
{
    /// <summary>D.</summary>
    public int Data { get; init; } = 784;

    /// <summary>H.</summary>
    public int Hidden { get; init; } = 200;

    /// <summary>n.</summary>
    public int Latent { get; init; } = 50;

    /// <summary>The decoder's weights, nH + H² + HD: as many multiplications and additions one row needs.</summary>
    public double DecoderWeights => ((double)Latent * Hidden) + ((double)Hidden * Hidden) + ((double)Hidden * Data);

    /// <summary>The encoder's weights, DH + H² + 2nH.</summary>
    public double EncoderWeights => ((double)Data * Hidden) + ((double)Hidden * Hidden) + (2.0 * Latent * Hidden);
}
