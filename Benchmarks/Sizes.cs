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

    /// <summary>F, the hidden layers of every network of a flow.</summary>
    public int FlowHidden { get; init; } = 100;

    /// <summary>T, the steps of a flow.</summary>
    public int FlowSteps { get; init; } = 2;

    /// <summary>The weights of a flow: 4 T networks n-F-F-n and the two n-F-F-2n of its auxiliary variable.</summary>
    public double FlowWeights =>
        (4.0 * FlowSteps * ((2.0 * Latent * FlowHidden) + ((double)FlowHidden * FlowHidden))) + (2 * ((3.0 * Latent * FlowHidden) + ((double)FlowHidden * FlowHidden)));

    /// <summary>The decoder's weights, nH + H² + HD: as many multiplications and additions one row needs.</summary>
    public double DecoderWeights => ((double)Latent * Hidden) + ((double)Hidden * Hidden) + ((double)Hidden * Data);

    /// <summary>The encoder's weights, DH + H² + 2nH.</summary>
    public double EncoderWeights => ((double)Data * Hidden) + ((double)Hidden * Hidden) + (2.0 * Latent * Hidden);
}
