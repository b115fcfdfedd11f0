using System.Runtime.InteropServices;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// op(B)[K, N] in the order of the micro-kernels, for a right factor that is used many times (the weights of a
/// frozen network). It is a copy: later changes of the source do not show. Read-only after construction, so
/// threads may share it.
/// </summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    /// <summary>From so many numbers on the panels are shared out among threads.</summary>
    private const long ParallelCopy = 1 << 18;

    private float* _memory;

    /// <summary>
    /// Packs op(B)[<paramref name="k"/>, <paramref name="n"/>] with B stored in rows of length
    /// <paramref name="ldb"/>: [K, N], or [N, K] when <paramref name="transB"/> is set.
    /// </summary>
    public PackedMatrix(int k, int n, float* b, nint ldb, bool transB)
    {
        Depth = k;
        Columns = n;
        Kernels = MicroKernelSet.Current;
        var width = Kernels.Columns;
        var panels = (n + width - 1) / width;
        ByteCount = Math.Max(1, (nint)panels * width * k) * sizeof(float);
        _memory = (float*)NativeMemory.AlignedAlloc((nuint)ByteCount, 4096);
        GC.AddMemoryPressure(ByteCount);
        Fill(b, ldb, transB);
    }

    /// <summary>Packs another matrix of the same sizes into the same memory. No product may be using it.</summary>
    public void Fill(float* b, nint ldb, bool transB)
    {
        var width = Kernels.Columns;
        var panels = (Columns + width - 1) / width;
        var memory = Panels;
        if ((long)Depth * Columns < ParallelCopy)
        {
            for (var p = 0; p < panels; p++)
            {
                Pack(p);
            }

            return;
        }

        WorkerPool.ForEach(panels, Pack);

        void Pack(int p)
        {
            var j = (nint)p * width;
            var columns = (int)Math.Min(width, Columns - j);
            var panel = memory + (j * Depth);
            if (transB)
            {
                Packing.Transpose(b + (j * ldb), ldb, Depth, columns, panel, width);
            }
            else
            {
                Packing.Copy(b + j, ldb, Depth, columns, panel, width);
            }
        }
    }

    ~PackedMatrix()
    {
        if (_memory != null)
            Free();
    }

    /// <summary>K, the number of rows of op(B).</summary>
    public int Depth { get; }

    /// <summary>N, the number of columns of op(B).</summary>
    public int Columns { get; }

    /// <summary>Native memory held, in bytes.</summary>
    public nint ByteCount { get; }

    /// <summary>The kernels whose tile width the panels have.</summary>
    internal MicroKernelSet Kernels { get; }

    /// <summary>Panel p starts at p * Kernels.Columns * Depth; its row k has Kernels.Columns numbers.</summary>
    internal float* Panels
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory == null, this);
            return _memory;
        }
    }

    /// <summary>Frees the memory. No product may be using it.</summary>
    public void Dispose()
    {
        if (_memory != null)
            Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        GC.RemoveMemoryPressure(ByteCount);
    }
}
