namespace GapLab.Models;

/// <summary>The settings of a <see cref="PixelCnnModel"/>; by default those of Kim et al. 2018 for images of 28 x 28 pixels.</summary>
public sealed record PixelCnnOptions
{
    /// <summary>The size n of z; 0 for no latent variables: the autoregressive baseline.</summary>
    public int LatentSize { get; init; } = 32;

    /// <summary>The kernel size k of every layer, odd.</summary>
    public IReadOnlyList<int> KernelSizes { get; init; } = [9, 9, 9, 7, 7, 7, 5, 5, 5, 3, 3, 3];

    /// <summary>Channels of every layer.</summary>
    public int Channels { get; init; } = 32;

    /// <summary>How many images z is mapped to, which the first layer sees beside the image.</summary>
    public int LatentMaps { get; init; } = 4;

    /// <summary>
    /// Whether the maps of z also reach every pixel at its own place. By default they go through the same kernels as the image, as published, so that the first pixel knows nothing of z.
    /// </summary>
    public bool UnmaskedLatents { get; init; }

    /// <summary>
    /// Whether the vertical stack moves down a row in its first layer only, so that all rows above are seen sooner and in their whole width. By default it does in every layer, as published; see
    /// <see cref="Networks.GatedPixelLayer"/>.
    /// </summary>
    public bool SeesRowsWhole { get; init; }
}
