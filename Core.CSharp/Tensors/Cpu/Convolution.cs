namespace GapLab.Tensors.Cpu;

/// <summary>
/// Two-dimensional convolutions as matrix products whose left factor, a patch of the image for every output pixel, is never stored as a whole. With
/// channels innermost, a patch is one run of the image for each row of the kernel, and patches of neighbouring outputs are the same memory some
/// pixels further: so the micro-kernels read a part's padded rows in place, and only small images have their patches copied.
/// </summary>
/// <remarks>
/// Every output is one chain of fused multiply-adds in a fixed order: over rows, columns and channels of the kernel; over the images and their pixels in
/// the adjoint with respect to the kernels. Threads get disjoint outputs, so no bit depends on their number, nor on what else is in the batch.
/// </remarks>
internal static unsafe partial class Convolution
{
    // Below this many multiply-adds a convolution costs less than reaching a second thread.
    private const long ParallelWork = 400_000;

    // A few more parts than threads even out a core that is busy elsewhere.
    private const int PartsPerThread = 4;

    /// <summary>Y[pixels, OutChannels] = f(X * W + bias), with the kernels as they are stored, [OutChannels, Depth].</summary>
    public static void Forward(float* x, float* weight, Epilogue epilogue, float* y, in ConvolutionSize size)
    {
        var kernels = MicroKernelSet.Current;
        var pass = new Pass
        {
            Width = kernels.Width,
            Size = size,
            X = x,
            Kernels = PackKernels(kernels, weight, size),
            Y = y,
            PixelStep = size.OutChannels,
            RowStep = (nint)size.OutWidth * size.OutChannels,
            ImageStep = (nint)size.OutHeight * size.OutWidth * size.OutChannels,
            Epilogue = epilogue,
        };
        Run(&pass, kernels);
    }

    /// <summary>
    /// The transposed convolution, X = f(Wᵀ * Y + bias). Pixels of X whose rows and columns leave the same remainders by the stride see the same part of
    /// the kernel, turned around: for each pair of remainders it is an ordinary convolution of stride 1 that fills every stride-th pixel.
    /// </summary>
    public static void Transposed(float* y, float* weight, Epilogue epilogue, float* x, in ConvolutionSize size)
    {
        var kernels = MicroKernelSet.Current;
        for (var row = 0; row < Math.Min(size.Stride, size.Height); row++)
        {
            var (top, above, tall) = Taps(row, size.Top, size.Stride, size.KernelHeight);
            for (var column = 0; column < Math.Min(size.Stride, size.Width); column++)
            {
                var (left, before, wide) = Taps(column, size.Left, size.Stride, size.KernelWidth);
                var pass = new Pass
                {
                    Width = kernels.Width,
                    Size = new ConvolutionSize(
                        size.Batch, size.OutHeight, size.OutWidth, size.OutChannels, tall, wide,
                        (size.Height - row + size.Stride - 1) / size.Stride, (size.Width - column + size.Stride - 1) / size.Stride, size.Channels,
                        Stride: 1, above, before),
                    X = y,
                    Kernels = PackTurned(kernels, weight, size, top, tall, left, wide),
                    Y = x + ((((nint)row * size.Width) + column) * size.Channels),
                    PixelStep = (nint)size.Stride * size.Channels,
                    RowStep = (nint)size.Stride * size.Width * size.Channels,
                    ImageStep = (nint)size.Height * size.Width * size.Channels,
                    Epilogue = epilogue,
                };
                Run(&pass, kernels);
            }
        }
    }

    // Output position `remainder` + stride * i is reached by the kernel's positions first, first + stride, ... (`count` of them), from the positions
    // i + shift, i + shift - 1, ... of Y: a convolution with `count` - 1 - shift positions of padding.
    private static (int First, int Padding, int Count) Taps(int remainder, int padding, int stride, int length)
    {
        var first = (((remainder + padding) % stride) + stride) % stride;
        var count = Math.Max(0, (length - first + stride - 1) / stride);
        return (first, count - 1 - ((remainder + padding - first) / stride), count);
    }

    private static void Run(Pass* pass, MicroKernelSet kernels)
    {
        ref readonly var size = ref pass->Size;
        if (size.Pixels == 0 || size.OutChannels == 0)
            return;
        pass->Gathers = size.OutWidth < MinDirectWidth || size.KernelWidth * size.Channels < MinDirectRun || size.KernelHeight == 0;
        var work = (long)size.Pixels * size.OutChannels * Math.Max(1, size.Depth);
        var threads = work < ParallelWork ? 1 : WorkerPool.AvailableThreads;
        var parts = pass->Gathers ? SplitPixels(pass, kernels, threads) : SplitRows(pass, threads);
        delegate*<void*, int, void> body = pass->Gathers ? &GatherPart : &DirectPart;
        if (threads > 1)
            WorkerPool.Run(parts, body, pass);
        else
            for (var part = 0; part < parts; part++)
                body(pass, part);
    }

    // What one convolution is made of: sizes (those of the pass, for a transposed convolution), where its numbers are, and how it is cut.
    private struct Pass
    {
        public int Width;
        public ConvolutionSize Size;
        public float* X;
        public float* Kernels;
        public float* Y;
        public nint PixelStep;
        public nint RowStep;
        public nint ImageStep;
        public Epilogue Epilogue;
        public bool Gathers;
        public int PartsPerImage;
        public int PixelsPerPart;
    }
}
