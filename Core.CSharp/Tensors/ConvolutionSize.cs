namespace GapLab.Tensors;

/// <summary>
/// The sizes of a two-dimensional convolution of images x [Batch, Height, Width, Channels] with kernels w [OutChannels, KernelHeight, KernelWidth, Channels]:
/// y[b, i, j, o] = Σ_{u, v, c} x[b, i · Stride + u - Top, j · Stride + v - Left, c] w[o, u, v, c], where pixels outside an image are zeros. How far the padding reaches below
/// and to the right follows from the size of y [Batch, OutHeight, OutWidth, OutChannels].
/// </summary>
/// <param name="Batch">Images.</param>
/// <param name="Height">Rows of x.</param>
/// <param name="Width">Columns of x.</param>
/// <param name="Channels">Numbers a pixel of x.</param>
/// <param name="KernelHeight">Rows of a kernel.</param>
/// <param name="KernelWidth">Columns of a kernel.</param>
/// <param name="OutHeight">Rows of y.</param>
/// <param name="OutWidth">Columns of y.</param>
/// <param name="OutChannels">Numbers a pixel of y.</param>
/// <param name="Stride">How far the kernel moves, in pixels of x, between neighbours in y.</param>
/// <param name="Top">Rows of zeros above an image.</param>
/// <param name="Left">Columns of zeros to the left of an image.</param>
public readonly record struct ConvolutionSize(
    int Batch, int Height, int Width, int Channels, int KernelHeight, int KernelWidth, int OutHeight, int OutWidth, int OutChannels, int Stride, int Top, int Left)
{
    /// <summary>The pixels of y in all images.</summary>
    public int Pixels => Batch * OutHeight * OutWidth;

    /// <summary>The numbers of one kernel, which is how many products make up one number of y.</summary>
    public int Depth => KernelHeight * KernelWidth * Channels;
}
