using System.Runtime.InteropServices;

namespace GapLab.Tensors.Cpu;

// The adjoint with respect to the kernels: W̄[OutChannels, Depth] = Gᵀ · patches, with as many terms as there are pixels in the batch.
internal static unsafe partial class Convolution
{
    // An image of at least so many outputs is read in place: the sums are loaded and stored once for each image.
    private const int MinDirectPixels = 64;

    // The widest panel of any kernel.
    private const int DirectChannels = 32;

    // Pixels in a block of copied patches: a panel of their patches and their rows of G stay in the first-level cache.
    private const int BlockPixels = 256;

    /// <summary>W̄[OutChannels, Depth] from x and the adjoint g of the output.</summary>
    public static void WeightAdjoint(float* x, float* g, float* weight, in ConvolutionSize size)
    {
        if (size.OutChannels == 0 || size.Depth == 0)
            return;
        var kernels = MicroKernelSet.Current;
        var work = (long)size.Pixels * size.OutChannels * size.Depth;
        var threads = work < ParallelWork ? 1 : WorkerPool.AvailableThreads;
        var panels = (size.Depth + kernels.Columns - 1) / kernels.Columns;
        var wanted = threads == 1 ? 1 : threads * PartsPerThread;
        var runs = Math.Min(panels, wanted);
        var adjoint = new Adjoint
        {
            Width = kernels.Width,
            Size = size,
            X = x,
            G = g,
            Weight = weight,
            PanelRuns = runs,
            // Few panels: output channels are split, too, although each part then copies the same patches.
            ChannelRuns = Math.Min((wanted + runs - 1) / runs, (size.OutChannels + kernels.Rows - 1) / kernels.Rows),
        };
        var parts = adjoint.PanelRuns * adjoint.ChannelRuns;
        // In place, a panel lies within one position of the kernel, so that its pixels are equally far apart. The choice does not depend on the width of the vectors.
        var isDirect = size.Channels % DirectChannels == 0 && size.OutHeight * size.OutWidth >= MinDirectPixels && size.Batch > 0;
        delegate*<void*, int, void> body = isDirect ? &DirectAdjointPart : &GatherAdjointPart;
        if (threads > 1)
            WorkerPool.Run(parts, body, &adjoint);
        else
            for (var part = 0; part < parts; part++)
                body(&adjoint, part);
    }

    // Which panels of columns and which output channels a part computes.
    private static (int Begin, int End, int FirstChannel, int EndChannel) Outputs(Adjoint* adjoint, int part, int width)
    {
        ref readonly var size = ref adjoint->Size;
        var (run, channels) = Math.DivRem(part, adjoint->ChannelRuns);
        var panels = (size.Depth + width - 1) / width;
        return (
            panels * run / adjoint->PanelRuns * width,
            Math.Min(size.Depth, panels * (run + 1) / adjoint->PanelRuns * width),
            (int)((long)size.OutChannels * channels / adjoint->ChannelRuns),
            (int)((long)size.OutChannels * (channels + 1) / adjoint->ChannelRuns));
    }

    // Image by image: both factors are read where they are, and pixels outside the image are left out.
    private static void DirectAdjointPart(void* context, int part)
    {
        var adjoint = (Adjoint*)context;
        ref readonly var size = ref adjoint->Size;
        var kernels = MicroKernelSet.OfWidth(adjoint->Width);
        var (begin, end, firstChannel, endChannel) = Outputs(adjoint, part, kernels.Columns);
        for (var image = 0; image < size.Batch; image++)
            for (var j = begin; j < end; j += kernels.Columns)
            {
                var (position, channel) = Math.DivRem(j, size.Channels);
                var (u, v) = Math.DivRem(position, size.KernelWidth);
                var (row, rows) = Inside(u - size.Top, size.Stride, size.Height, size.OutHeight);
                var (column, columns) = Inside(v - size.Left, size.Stride, size.Width, size.OutWidth);
                var step = (nint)size.Stride * size.Channels;
                var runs = new Runs(size.OutChannels, columns, (nint)(size.OutWidth - columns) * size.OutChannels, (size.Width - columns) * step);
                var x = adjoint->X + (((((nint)image * size.Height) + (row * size.Stride) + u - size.Top) * size.Width) * size.Channels)
                    + ((((column * size.Stride) + v - size.Left) * size.Channels) + channel);
                var g = adjoint->G + (((((nint)image * size.OutHeight) + row) * size.OutWidth + column) * size.OutChannels);
                for (var o = firstChannel; o < endChannel;)
                {
                    var height = TileRows(endChannel - o, kernels.Rows);
                    var w = adjoint->Weight + ((nint)o * size.Depth) + j;
                    kernels.GetInRuns(height)((nint)rows * columns, g + o, (nint)(&runs), x, step, w, size.Depth, image > 0);
                    o += height;
                }
            }
    }

    // The outputs i for which i * stride + offset lies inside [0, length): the first, and how many.
    private static (int First, int Count) Inside(int offset, int stride, int length, int outputs)
    {
        var first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
        var end = offset >= length ? 0 : Math.Min(outputs, ((length - 1 - offset) / stride) + 1);
        return end > first ? (first, end - first) : (0, 0);
    }

    // Block by block of the batch's pixels, with copies of their patches.
    private static void GatherAdjointPart(void* context, int part)
    {
        var adjoint = (Adjoint*)context;
        ref readonly var size = ref adjoint->Size;
        var kernels = MicroKernelSet.OfWidth(adjoint->Width);
        var width = kernels.Columns;
        var (begin, end, firstChannel, endChannel) = Outputs(adjoint, part, width);
        var panel = Scratch.Left.Reserve(BlockPixels * width);
        var tile = stackalloc float[kernels.Rows * width];
        for (var p = 0; p == 0 || p < size.Pixels; p += BlockPixels)
        {
            var count = Math.Min(BlockPixels, size.Pixels - p);
            for (var j = begin; j < end; j += width)
            {
                var columns = Math.Min(width, end - j);
                var vectors = (columns + kernels.VectorLength - 1) / kernels.VectorLength;
                var isPartial = columns < vectors * kernels.VectorLength;
                GatherPanel(adjoint->X, size, p, count, j, columns, panel, width);
                for (var o = firstChannel; o < endChannel;)
                {
                    var height = TileRows(endChannel - o, kernels.Rows);
                    var kernel = kernels.Get(height, vectors, true);
                    var g = adjoint->G + ((nint)p * size.OutChannels) + o;
                    var w = adjoint->Weight + ((nint)o * size.Depth) + j;
                    if (isPartial)
                    {
                        if (p > 0)
                            CopyRows(w, size.Depth, tile, width, height, columns);
                        kernel(count, g, size.OutChannels, panel, width, tile, width, p > 0);
                        CopyRows(tile, width, w, size.Depth, height, columns);
                    }
                    else
                    {
                        kernel(count, g, size.OutChannels, panel, width, w, size.Depth, p > 0);
                    }
                    o += height;
                }
            }
        }
    }

    // panel[count, width] = columns [column, column + columns) of the patches of pixels [first, first + count).
    private static void GatherPanel(float* x, in ConvolutionSize size, int first, int count, int column, int columns, float* panel, int width)
    {
        if (columns < width)
            NativeMemory.Clear(panel, (nuint)(count * width) * sizeof(float));
        var run = size.KernelWidth * size.Channels;
        for (var done = 0; done < columns;)
        {
            var (u, start) = Math.DivRem(column + done, run);
            var length = Math.Min(run - start, columns - done);
            var to = panel + done;
            var (line, j) = Math.DivRem(first, size.OutWidth);
            var (image, i) = Math.DivRem(line, size.OutHeight);
            for (var left = count; left > 0; j = 0)
            {
                var pixels = Math.Min(left, size.OutWidth - j);
                GatherLine(x, size, image, (i * size.Stride) + u - size.Top, (((j * size.Stride) - size.Left) * size.Channels) + start, length, pixels, to, width);
                to += (nint)pixels * width;
                left -= pixels;
                if (++i == size.OutHeight)
                    (i, image) = (0, image + 1);
            }
            done += length;
        }
    }

    // `pixels` runs of one row of an image, a stride apart.
    private static void GatherLine(float* x, ConvolutionSize size, int image, int row, int from, int length, int pixels, float* to, int width)
    {
        var source = x + ((nint)image * size.Height * size.Width * size.Channels);
        var step = size.Stride * size.Channels;
        var limit = size.Width * size.Channels;
        // Runs before the row, across its beginning, inside, across its end and behind it.
        var isRow = (uint)row < (uint)size.Height;
        var t = 0;
        Next(isRow ? -length : limit, zeros: true);
        Next(-1, zeros: false);
        var inside = Math.Clamp(StepsUpTo(limit - length), t, pixels);
        CopySteps(source + ((nint)row * limit) + from + ((nint)t * step), step, inside - t, length, to + ((nint)t * width), width);
        t = inside;
        Next(limit - 1, zeros: false);
        Next(int.MaxValue, zeros: true);

        // How many runs begin at `last` or before.
        int StepsUpTo(int last) => last < from ? 0 : (int)Math.Min(pixels, (((long)last - from) / step) + 1);

        void Next(int last, bool zeros)
        {
            var end = Math.Max(t, StepsUpTo(last));
            if (zeros)
                CopySteps(null, 0, end - t, length, to + ((nint)t * width), width);
            else
                for (var run = t; run < end; run++)
                    CopyRun(source, size, row, from + (run * step), length, to + ((nint)run * width));
            t = end;
        }
    }

    private struct Adjoint
    {
        public int Width;
        public ConvolutionSize Size;
        public float* X;
        public float* G;
        public float* Weight;
        public int PanelRuns;
        public int ChannelRuns;
    }
}
