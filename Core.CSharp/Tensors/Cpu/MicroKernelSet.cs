using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// The micro-kernels of one SIMD width: a table by rows, vectors of columns and layout of op(A). All sets give
/// the same bits, because every output is one chain of fused multiply-adds whatever the tile it lies in.
/// </summary>
internal sealed unsafe class MicroKernelSet
{
    /// <summary>Bytes of op(B) that a prefetching kernel asks for with every k.</summary>
    internal const int PrefetchStep = 16;

    // Strided, adjacent and packed rows of op(A), and adjacent ones in runs.
    private const int Layouts = 4;

    private readonly delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void>* _kernels;
    private readonly int _vectors;

    /// <summary>An empty table for tiles of at most <paramref name="rows"/> x <paramref name="columns"/>.</summary>
    public MicroKernelSet(int width, int rows, int columns, int vectorLength)
    {
        Width = width;
        Rows = rows;
        Columns = columns;
        VectorLength = vectorLength;
        _vectors = columns / vectorLength;
        // One table per width for the life of the process.
        _kernels = (delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void>*)
            NativeMemory.AllocZeroed((nuint)(Layouts * rows * _vectors * sizeof(nint)));
    }

    /// <summary>The set with 512-bit vectors.</summary>
    public static MicroKernelSet Width512 => Holder512.Set;

    /// <summary>The set with 256-bit vectors.</summary>
    public static MicroKernelSet Width256 => Holder256.Set;

    /// <summary>The set with 128-bit vectors, which runs everywhere.</summary>
    public static MicroKernelSet Width128 => Holder128.Set;

    /// <summary>The set used by new products and packings; chosen at start-up, replaced only by tests and benchmarks.</summary>
    public static MicroKernelSet Current { get; set; } = Widest;

    /// <summary>The widest set that this machine runs in hardware.</summary>
    public static MicroKernelSet Widest =>
        Vector512.IsHardwareAccelerated ? Width512 : Vector256.IsHardwareAccelerated ? Width256 : Width128;

    /// <summary>Bits in a vector.</summary>
    public int Width { get; }

    /// <summary>Most rows in a tile.</summary>
    public int Rows { get; }

    /// <summary>Columns in a full tile and in a packed panel of op(B).</summary>
    public int Columns { get; }

    /// <summary>Elements in a vector.</summary>
    public int VectorLength { get; }

    /// <summary>The set of a <see cref="Width"/>, for structures that cannot hold a reference.</summary>
    public static MicroKernelSet OfWidth(int width) => width == 512 ? Width512 : width == 256 ? Width256 : Width128;

    /// <summary>Enters the kernels for a tile of the given size.</summary>
    public void Add(
        int rows,
        int vectors,
        delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> strided,
        delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> adjacent)
    {
        var slot = Slot(rows, vectors);
        _kernels[slot] = strided;
        _kernels[slot + 1] = adjacent;
    }

    /// <summary>
    /// Enters the kernel for a tile whose rows of op(A) are packed without gaps. It needs no stepA: in that place it
    /// takes an address in op(B) to prefetch from, <see cref="PrefetchStep"/> bytes further with every k.
    /// </summary>
    public void AddPrefetching(
        int rows, int vectors, delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> packed) =>
        _kernels[Slot(rows, vectors) + 2] = packed;

    /// <summary>
    /// Enters the kernel for a tile whose depth comes in runs: in the place of stepA it takes the address of a <see cref="Runs"/>.
    /// </summary>
    public void AddInRuns(int rows, int vectors, delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> inRuns) =>
        _kernels[Slot(rows, vectors) + 3] = inRuns;

    /// <summary>The kernel for a tile: (depth, a, stepA, b, stepB, c, ldc, load).</summary>
    public delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> Get(int rows, int vectors, bool rowsAreAdjacent) =>
        _kernels[Slot(rows, vectors) + (rowsAreAdjacent ? 1 : 0)];

    /// <summary>The kernel of <see cref="AddPrefetching"/>: (depth, a, address, b, stepB, c, ldc, load); null where there is none.</summary>
    public delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> GetPrefetching(int rows, int vectors) =>
        _kernels[Slot(rows, vectors) + 2];

    /// <summary>The kernel of <see cref="AddInRuns"/> for a tile of full width: (depth, a, address of the runs, b, stepB, c, ldc, load).</summary>
    public delegate*<nint, float*, nint, float*, nint, float*, nint, bool, void> GetInRuns(int rows) => _kernels[Slot(rows, _vectors) + 3];

    private int Slot(int rows, int vectors) => Layouts * (((rows - 1) * _vectors) + vectors - 1);

    // Separate holders, so that only the tables in use are made.
    private static class Holder512
    {
        public static readonly MicroKernelSet Set = MicroKernel512.Create();
    }

    private static class Holder256
    {
        public static readonly MicroKernelSet Set = MicroKernel256.Create();
    }

    private static class Holder128
    {
        public static readonly MicroKernelSet Set = MicroKernel128.Create();
    }
}
