namespace GapLab.Tensors.Cpu;

// The two ways of reading patches: in place from padded rows, or copied for some pixels at a time.
internal static unsafe partial class Convolution
{
    // Tiles lie within a row of outputs when patches are read in place: with fewer outputs in a row than this they are too small.
    private const int MinDirectWidth = 7;

    // Each row of the kernel is one product of this depth at least; a shorter one is mostly loading and storing of outputs.
    private const int MinDirectRun = 64;

    // Most numbers of padded rows, or of copied patches, in a part: they stay in the second-level cache beside kernels and outputs.
    private const int MaxPart = 96 * 1024;

    // Rows of the left factor this far apart, or a multiple of it, fall into the same sets of the first-level cache.
    private const int SetStride = 1024;

    private static int SplitRows(Pass* pass, int threads)
    {
        ref readonly var size = ref pass->Size;
        var pitch = (long)PaddedWidth(size) * size.Channels;
        // Enough parts for all threads; rows of outputs read stride times as many rows of the image, and some more for the kernel's height.
        var rows = threads == 1 ? size.OutHeight : (int)Math.Min(size.OutHeight, Math.Max(1, (long)size.Batch * size.OutHeight / (threads * PartsPerThread)));
        rows = (int)Math.Clamp((MaxPart / pitch - size.KernelHeight) / size.Stride, 1, rows);
        pass->PartsPerImage = (size.OutHeight + rows - 1) / rows;
        return size.Batch * pass->PartsPerImage;
    }

    private static int PaddedWidth(in ConvolutionSize size) => ((size.OutWidth - 1) * size.Stride) + size.KernelWidth;

    // Some rows of outputs of one image.
    private static void DirectPart(void* context, int part)
    {
        var pass = (Pass*)context;
        ref readonly var size = ref pass->Size;
        var kernels = MicroKernelSet.OfWidth(pass->Width);
        var (image, piece) = Math.DivRem(part, pass->PartsPerImage);
        var first = (int)((long)size.OutHeight * piece / pass->PartsPerImage);
        var end = (int)((long)size.OutHeight * (piece + 1) / pass->PartsPerImage);
        var rows = PaddedRows(pass, image, first, end, out var pitch);
        var run = size.KernelWidth * size.Channels;
        var step = (nint)size.Stride * size.Channels;
        var width = kernels.Columns;
        var tile = stackalloc float[kernels.Rows * width];
        var shift = stackalloc float[width];
        for (var j = 0; j < size.OutChannels; j += width)
        {
            var columns = Math.Min(width, size.OutChannels - j);
            var vectors = (columns + kernels.VectorLength - 1) / kernels.VectorLength;
            var isPartial = columns % Math.Max(kernels.VectorLength, 16) != 0;
            var panel = pass->Kernels + ((nint)j * size.Depth);
            var bias = Bias(pass, j, columns, shift, width);
            for (var i = first; i < end; i++)
            {
                // Rows of the kernel that lie above or below the image are left out.
                var above = (i * size.Stride) - size.Top;
                var begin = Math.Clamp(-above, 0, size.KernelHeight);
                var count = Math.Clamp(size.Height - above, begin, size.KernelHeight) - begin;
                var patch = rows + ((nint)(i - first) * size.Stride * pitch) + (begin * pitch);
                var taps = panel + ((nint)begin * run * width);
                var y = pass->Y + (image * pass->ImageStep) + (i * pass->RowStep) + j;
                for (var t = 0; t < size.OutWidth;)
                {
                    var height = TileRows(size.OutWidth - t, kernels.Rows);
                    var kernel = kernels.Get(height, vectors, false);
                    var c = isPartial ? tile : y;
                    var ldc = isPartial ? width : pass->PixelStep;
                    for (var u = 0; u == 0 || u < count; u++)
                        kernel(count > 0 ? run : 0, patch + (u * pitch), step, taps + ((nint)u * run * width), width, c, ldc, u > 0);
                    Finish(pass, c, ldc, height, columns, bias);
                    if (isPartial)
                        CopyRows(tile, width, y, pass->PixelStep, height, columns);
                    patch += height * step;
                    y += height * pass->PixelStep;
                    t += height;
                }
            }
        }
    }

    // Row first * stride - top of an image, which outputs [first, end) read from, and those after it: in place if no patch reaches beyond the image's sides, else with zeros on
    // both. Rows above and below the image are not there.
    private static float* PaddedRows(Pass* pass, int image, int first, int end, out nint pitch)
    {
        ref readonly var size = ref pass->Size;
        var width = PaddedWidth(size);
        var above = (first * size.Stride) - size.Top;
        var row = (nint)size.Width * size.Channels;
        var source = pass->X + (image * size.Height * row);
        if (size.Left <= 0 && width - size.Left <= size.Width)
        {
            pitch = row;
            return source + (above * row) - (size.Left * size.Channels);
        }
        pitch = (nint)width * size.Channels;
        var begin = Math.Max(0, above);
        var count = Math.Max(0, Math.Min(size.Height, above + ((end - 1 - first) * size.Stride) + size.KernelHeight) - begin);
        var padded = Scratch.Left.Reserve(count * pitch);
        for (var r = 0; r < count; r++)
            CopyRun(source, size, begin + r, -size.Left * size.Channels, (int)pitch, padded + (r * pitch));
        return padded + ((above - begin) * pitch);
    }

    private static int SplitPixels(Pass* pass, MicroKernelSet kernels, int threads)
    {
        var share = pass->Size.Pixels / (threads * PartsPerThread);
        var most = MaxPart / Math.Max(1, pass->Size.Depth);
        pass->PixelsPerPart = Math.Max(kernels.Rows, Math.Min(share, most) / kernels.Rows * kernels.Rows);
        return (pass->Size.Pixels + pass->PixelsPerPart - 1) / pass->PixelsPerPart;
    }

    // Some pixels of the whole batch, whatever image they belong to.
    private static void GatherPart(void* context, int part)
    {
        var pass = (Pass*)context;
        ref readonly var size = ref pass->Size;
        var kernels = MicroKernelSet.OfWidth(pass->Width);
        var first = part * pass->PixelsPerPart;
        var count = Math.Min(pass->PixelsPerPart, size.Pixels - first);
        nint step = size.Depth % SetStride == 0 ? size.Depth + 16 : size.Depth;
        var patches = Scratch.Left.Reserve(count * step);
        GatherPatches(pass->X, size, first, count, patches, step);
        var width = kernels.Columns;
        var tile = stackalloc float[kernels.Rows * width];
        var shift = stackalloc float[width];
        for (var j = 0; j < size.OutChannels; j += width)
        {
            var columns = Math.Min(width, size.OutChannels - j);
            var vectors = (columns + kernels.VectorLength - 1) / kernels.VectorLength;
            var panel = pass->Kernels + ((nint)j * size.Depth);
            var bias = Bias(pass, j, columns, shift, width);
            for (var t = 0; t < count;)
            {
                var height = TileRows(count - t, kernels.Rows);
                kernels.Get(height, vectors, false)(size.Depth, patches + (t * step), step, panel, width, tile, width, false);
                Finish(pass, tile, width, height, columns, bias);
                for (var r = 0; r < height; r++)
                {
                    var (line, column) = Math.DivRem(first + t + r, size.OutWidth);
                    var (image, row) = Math.DivRem(line, size.OutHeight);
                    var y = pass->Y + (image * pass->ImageStep) + (row * pass->RowStep) + (column * pass->PixelStep) + j;
                    CopyRows(tile + (r * width), width, y, width, 1, columns);
                }
                t += height;
            }
        }
    }

    // The bias of a panel, up to the end of its last vector of sixteen; null for none.
    private static float* Bias(Pass* pass, int column, int columns, float* shift, int width)
    {
        var bias = pass->Epilogue.BiasAt(column);
        if (bias == null || columns % 16 == 0)
            return bias;
        new Span<float>(shift, width).Clear();
        new ReadOnlySpan<float>(bias, columns).CopyTo(new Span<float>(shift, width));
        return shift;
    }

    private static void Finish(Pass* pass, float* c, nint ldc, int rows, int columns, float* bias)
    {
        if (!pass->Epilogue.IsEmpty)
            pass->Epilogue.Apply(c, ldc, rows, (columns + 15) & ~15, bias);
    }

    // Full tiles as long as two or more are left; then two equal ones.
    private static int TileRows(int left, int most) => left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
}
