using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

// Copies: kernels into panels, and runs of an image with zeros where they leave it.
internal static unsafe partial class Convolution
{
    // Panels of W[OutChannels, Depth] transposed.
    private static float* PackKernels(MicroKernelSet kernels, float* weight, in ConvolutionSize size)
    {
        var width = kernels.Columns;
        var packing = new KernelPacking { Weight = weight, Size = size, Depth = size.Depth, Columns = size.OutChannels, Width = width };
        return Pack(&packing, &PackPanel);

        static void PackPanel(void* context, int part)
        {
            var packing = (KernelPacking*)context;
            var j = (nint)part * packing->Width;
            Packing.Transpose(
                packing->Weight + (j * packing->Depth), packing->Depth, packing->Depth, (int)Math.Min(packing->Width, packing->Columns - j),
                packing->Target + (j * packing->Depth), packing->Width);
        }
    }

    // Panels of the kernels' positions (top + stride * t, left + stride * s) in descending order: [tall, wide, OutChannels] times Channels.
    private static float* PackTurned(MicroKernelSet kernels, float* weight, in ConvolutionSize size, int top, int tall, int left, int wide)
    {
        var packing = new KernelPacking
        {
            Weight = weight,
            Size = size,
            Depth = tall * wide * size.OutChannels,
            Columns = size.Channels,
            Width = kernels.Columns,
            Top = top,
            Tall = tall,
            Left = left,
            Wide = wide,
        };
        return Pack(&packing, &PackPanel);

        static void PackPanel(void* context, int part)
        {
            var packing = (KernelPacking*)context;
            ref readonly var size = ref packing->Size;
            var j = (nint)part * packing->Width;
            var columns = (int)Math.Min(packing->Width, packing->Columns - j);
            var target = packing->Target + (j * packing->Depth);
            for (var t = packing->Tall - 1; t >= 0; t--)
                for (var s = packing->Wide - 1; s >= 0; s--)
                {
                    var position = ((packing->Top + (t * size.Stride)) * size.KernelWidth) + packing->Left + (s * size.Stride);
                    Packing.Copy(packing->Weight + ((nint)position * size.Channels) + j, size.Depth, size.OutChannels, columns, target, packing->Width);
                    target += (nint)size.OutChannels * packing->Width;
                }
        }
    }

    private static float* Pack(KernelPacking* packing, delegate*<void*, int, void> packPanel)
    {
        var panels = (packing->Columns + packing->Width - 1) / packing->Width;
        packing->Target = Scratch.Right.Reserve((nint)panels * packing->Width * packing->Depth);
        if ((long)packing->Columns * packing->Depth >= ParallelWork)
            WorkerPool.Run(panels, packPanel, packing);
        else
            for (var panel = 0; panel < panels; panel++)
                packPanel(packing, panel);
        return packing->Target;
    }

    // patches[count, Depth], rows `step` apart, of output pixels [first, first + count) of the batch.
    private static void GatherPatches(float* x, in ConvolutionSize size, int first, int count, float* patches, nint step)
    {
        var run = size.KernelWidth * size.Channels;
        for (var p = 0; p < count; p++, patches += step)
        {
            var (line, j) = Math.DivRem(first + p, size.OutWidth);
            var (image, i) = Math.DivRem(line, size.OutHeight);
            var source = x + ((nint)image * size.Height * size.Width * size.Channels);
            for (var u = 0; u < size.KernelHeight; u++)
                CopyRun(source, size, (i * size.Stride) + u - size.Top, ((j * size.Stride) - size.Left) * size.Channels, run, patches + (u * run));
        }
    }

    // `length` numbers of an image's row from number `from` on; zeros where there is no such row or number.
    private static void CopyRun(float* image, in ConvolutionSize size, int row, int from, int length, float* to)
    {
        var limit = size.Width * size.Channels;
        var start = Math.Clamp(-from, 0, length);
        var end = (uint)row < (uint)size.Height ? Math.Clamp(limit - from, start, length) : start;
        CopySteps(null, 0, 1, start, to, 0);
        CopySteps(image + ((nint)row * limit) + from + start, 0, 1, end - start, to + start, 0);
        CopySteps(null, 0, 1, length - end, to + end, 0);
    }

    // `count` runs, `step` apart, into rows `width` apart; zeros where there is no source.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopySteps(float* source, nint step, int count, int length, float* to, nint width)
    {
        if (source == null)
        {
            for (; count > 0; count--, to += width)
            {
                var i = 0;
                for (; i + 16 <= length; i += 16)
                    Vector512<float>.Zero.Store(to + i);
                for (; i < length; i++)
                    to[i] = 0;
            }
            return;
        }
        for (; count > 0; count--, source += step, to += width)
        {
            var i = 0;
            if (Vector512.IsHardwareAccelerated)
                for (; i + 16 <= length; i += 16)
                    Vector512.Load(source + i).Store(to + i);
            for (; i + 4 <= length; i += 4)
                Vector128.Load(source + i).Store(to + i);
            for (; i < length; i++)
                to[i] = source[i];
        }
    }

    private static void CopyRows(float* source, nint stride, float* target, nint targetStride, int rows, int columns)
    {
        for (var i = 0; i < rows; i++, source += stride, target += targetStride)
            Unsafe.CopyBlockUnaligned(target, source, (uint)columns * sizeof(float));
    }

    private struct KernelPacking
    {
        public float* Weight;
        public ConvolutionSize Size;
        public int Depth;
        public int Columns;
        public int Width;
        public int Top;
        public int Tall;
        public int Left;
        public int Wide;
        public float* Target;
    }
}
