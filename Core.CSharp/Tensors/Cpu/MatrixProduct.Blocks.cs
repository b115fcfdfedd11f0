using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Tensors.Cpu;

// How a product is cut: blocks of k (second- and first-level cache), chunks of rows and runs of panels (the parts
// given to threads), and tiles (registers). No cut changes a bit of the result.
internal static unsafe partial class MatrixProduct
{
    /// <summary>
    /// Longest block of k. The panel of op(B) streams from the second-level cache at full speed, while every further
    /// block loads and stores C once more, from caches or memory too slow for that: so blocks are long.
    /// </summary>
    internal static int MaxDepth { get; set; } = 1024;

    /// <summary>Most rows in a part: its block of op(A) and its rows of C stay in the second-level cache.</summary>
    internal static int MaxRows { get; set; } = 144;

    /// <summary>op(B) is packed whole up to this many numbers (64 MB); wider products go slice by slice.</summary>
    internal static int MaxPacked { get; set; } = 1 << 24;

    // Below this many multiply-adds a product costs less than reaching a second thread.
    private const long ParallelWork = 400_000;

    // Rows of op(A) this far apart, or a multiple of it, fall into the same sets of the first-level cache.
    private const int SetStride = 1024;

    private enum RightSource
    {
        /// <summary>[K, N], read in place.</summary>
        Rows,

        /// <summary>[N, K], each panel transposed by the part that reads it.</summary>
        Transposed,

        /// <summary>Panels [K, Columns].</summary>
        Packed,
    }

    private static void Start(Job* job)
    {
        if (job->M <= 0 || job->N <= 0)
        {
            return;
        }

        var kernels = MicroKernelSet.OfWidth(job->Width);
        var work = (long)job->M * job->N * Math.Max(1, job->K);
        var threads = work < ParallelWork ? 1 : WorkerPool.AvailableThreads;
        SplitRows(job, kernels, threads);

        // Several chunks of rows would each read op(B) in its awkward order: pack it once for all of them.
        if (job->Source == RightSource.Packed || job->K == 0 || !PaysToPack(job))
        {
            Compute(job, kernels, threads);
            return;
        }

        var width = kernels.Columns;
        var step = Math.Max(width, MaxPacked / job->K / width * width);
        var whole = *job;
        var panels = (Math.Min(step, job->N) + width - 1) / width;
        var memory = Scratch.Right.Reserve((nint)panels * width * job->K);
        for (var j = 0; j < whole.N; j += step)
        {
            var slice = whole;
            slice.N = Math.Min(step, whole.N - j);
            slice.B = whole.B + (whole.Source == RightSource.Rows ? j : j * whole.Ldb);
            slice.C = whole.C + j;
            slice.FirstColumn = j;
            slice.PackedB = memory;
            panels = (slice.N + width - 1) / width;
            if (slice.Source == RightSource.Rows)
            {
                slice.RowsPerPart = Math.Clamp(slice.K / (threads * 4), 1, MaxPackedRows);
                WorkerPool.Run((slice.K + slice.RowsPerPart - 1) / slice.RowsPerPart, &PackRows, &slice);
            }
            else
            {
                slice.PanelsPerPart = Math.Max(1, panels / (threads * 4));
                WorkerPool.Run((panels + slice.PanelsPerPart - 1) / slice.PanelsPerPart, &PackPanels, &slice);
            }

            slice.B = memory;
            slice.Source = RightSource.Packed;
            Compute(&slice, kernels, threads);
        }
    }

    private static void SplitRows(Job* job, MicroKernelSet kernels, int threads)
    {
        var chunks = (job->M + MaxRows - 1) / MaxRows;
        if (chunks == 1 && SplitsByPanels(job, kernels, threads))
        {
            job->RowChunks = 1;
            return;
        }

        if (threads > 1)
        {
            // A few more parts than threads even out a core that is busy elsewhere.
            var most = Math.Max(1, job->M / kernels.Rows);
            chunks = Math.Min(most, (chunks + threads - 1) / threads * threads);
        }

        job->RowChunks = chunks;
    }

    // With few rows, each thread transposes the panels that it uses itself: then nobody waits until all are packed,
    // and no panel moves from one core's cache to another's. One panel to a part evens out the threads.
    private static bool SplitsByPanels(Job* job, MicroKernelSet kernels, int threads) =>
        threads > 1 && job->Source == RightSource.Transposed && job->Lda % SetStride != 0
        && job->N > kernels.Columns * (threads - 1);

    private static void Compute(Job* job, MicroKernelSet kernels, int threads)
    {
        var panels = (job->N + kernels.Columns - 1) / kernels.Columns;
        var runs = job->RowChunks == 1 && SplitsByPanels(job, kernels, threads)
            ? panels
            : Math.Min(panels, Math.Max(1, (threads + job->RowChunks - 1) / job->RowChunks));
        job->PanelsPerPart = (panels + runs - 1) / runs;
        job->ColumnRuns = (panels + job->PanelsPerPart - 1) / job->PanelsPerPart;
        var parts = job->RowChunks * job->ColumnRuns;
        if (threads == 1)
        {
            for (var p = 0; p < parts; p++)
            {
                ComputePart(job, p);
            }

            return;
        }

        WorkerPool.Run(parts, &ComputePart, job);
    }

    // Rows [first, first + count) and panels of one part, over all blocks of k.
    private static void ComputePart(void* context, int part)
    {
        var job = (Job*)context;
        var kernels = MicroKernelSet.OfWidth(job->Width);
        var (chunk, run) = Math.DivRem(part, job->ColumnRuns);
        var first = (int)((long)job->M * chunk / job->RowChunks);
        var rows = (int)((long)job->M * (chunk + 1) / job->RowChunks) - first;
        var width = kernels.Columns;
        var begin = run * job->PanelsPerPart * width;
        var end = Math.Min(job->N, begin + (job->PanelsPerPart * width));

        var blocks = Math.Max(1, (job->K + MaxDepth - 1) / MaxDepth);

        // Equal blocks, rounded up for the sake of packing. Never zero: a product without any k passes once and sets C.
        var block = Math.Max(1, (((job->K + blocks - 1) / blocks) + 15) & ~15);
        var packA = PaysToPackLeft(job, end - begin);
        var left = packA ? Scratch.Left.Reserve((nint)rows * block) : null;
        var right = job->Source != RightSource.Packed ? Scratch.Right.Reserve((nint)block * width) : null;

        for (var k0 = 0; k0 == 0 || k0 < job->K; k0 += block)
        {
            var depth = Math.Min(block, job->K - k0);
            var strip = new Strip
            {
                Depth = depth,
                Load = job->Accumulate || k0 > 0,
                Last = k0 + depth == job->K,
                Rows = rows,
                First = first,
            };
            if (packA)
            {
                PackLeft(job, kernels.Rows, first, rows, k0, depth, left);
                strip.A = left;
                strip.PackedA = true;
            }
            else
            {
                strip.A = job->TransA ? job->A + (k0 * job->Lda) + first : job->A + (first * job->Lda) + k0;
            }

            for (var j = begin; j < end; j += width)
            {
                var columns = Math.Min(width, job->N - j);
                if (job->Source == RightSource.Packed)
                {
                    strip.B = job->B + ((nint)j * job->K) + ((nint)k0 * width);
                    strip.StepB = width;
                    strip.NextB = j + width < end ? strip.B + ((nint)width * job->K) : null;
                }
                else if (job->Source == RightSource.Rows && columns == width)
                {
                    strip.B = job->B + (k0 * job->Ldb) + j;
                    strip.StepB = job->Ldb;
                }
                else
                {
                    PackPanel(job, j, k0, depth, right, width);
                    strip.B = right;
                    strip.StepB = width;
                }

                ComputeStrip(job, kernels, &strip, j, columns);
            }
        }
    }

    // C[rows of the part, columns] for one panel and one block of k, tile by tile.
    private static void ComputeStrip(Job* job, MicroKernelSet kernels, Strip* strip, int column, int columns)
    {
        var width = kernels.Columns;
        var vectors = (columns + kernels.VectorLength - 1) / kernels.VectorLength;
        var adjacent = job->TransA || strip->PackedA;
        var epilogue = strip->Last && !job->Epilogue.IsEmpty;
        var tile = stackalloc float[kernels.Rows * width];
        var shift = stackalloc float[width];
        var bias = epilogue ? job->Epilogue.BiasAt(job->FirstColumn + column) : null;
        var partial = columns < width && (columns < vectors * kernels.VectorLength || columns % 16 != 0);
        if (partial && bias != null)
        {
            new Span<float>(shift, width).Clear();
            new ReadOnlySpan<float>(bias, columns).CopyTo(new Span<float>(shift, width));
            bias = shift;
        }

        for (var i = 0; i < strip->Rows;)
        {
            var rows = TileRows(strip->Rows - i, kernels.Rows);
            var kernel = kernels.Get(rows, vectors, adjacent);
            var a = strip->A;
            nint stepA;
            if (strip->PackedA)
            {
                a += (nint)i * strip->Depth;
                stepA = rows;
                if (strip->NextB != null && !partial)
                {
                    var ahead = kernels.GetPrefetching(rows, vectors);
                    if (ahead != null)
                    {
                        // This tile's share of the next panel, which lies in a slower cache or in memory.
                        kernel = ahead;
                        stepA = (nint)(strip->NextB + ((nint)i * strip->Depth * width / strip->Rows));
                    }
                }
            }
            else
            {
                a += job->TransA ? i : i * job->Lda;
                stepA = job->Lda;
            }

            var c = job->C + ((strip->First + i) * job->Ldc) + column;
            if (!partial)
            {
                // While this tile is computed, the rows of C of the next one come nearer.
                Prefetch(c + (rows * job->Ldc), job->Ldc, Math.Min(rows, strip->Rows - i - rows), columns);
                kernel(strip->Depth, a, stepA, strip->B, strip->StepB, c, job->Ldc, strip->Load);
                if (epilogue)
                {
                    job->Epilogue.Apply(c, job->Ldc, rows, columns, bias);
                }
            }
            else
            {
                if (strip->Load)
                {
                    CopyRows(c, job->Ldc, tile, width, rows, columns);
                }

                kernel(strip->Depth, a, stepA, strip->B, strip->StepB, tile, width, strip->Load);
                if (epilogue)
                {
                    job->Epilogue.Apply(tile, width, rows, (columns + 15) & ~15, bias);
                }

                CopyRows(tile, width, c, job->Ldc, rows, columns);
            }

            i += rows;
        }
    }

    // Full tiles as long as two or more are left; then two equal ones, because a tile of few rows cannot keep
    // both multipliers busy.
    private static int TileRows(int left, int most) => left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;

    private static void Prefetch(float* c, nint ldc, int rows, int columns)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        for (; rows > 0; rows--, c += ldc)
        {
            for (var j = 0; j < columns; j += 16)
            {
                Sse.Prefetch0(c + j);
            }
        }
    }

    private static void CopyRows(float* source, nint stride, float* target, nint targetStride, int rows, int columns)
    {
        for (var i = 0; i < rows; i++, source += stride, target += targetStride)
        {
            Unsafe.CopyBlockUnaligned(target, source, (uint)columns * sizeof(float));
        }
    }

    private struct Job
    {
        public int Width;
        public int M;
        public int N;
        public int K;
        public float* A;
        public nint Lda;
        public bool TransA;
        public float* B;
        public nint Ldb;
        public RightSource Source;
        public float* C;
        public nint Ldc;
        public bool Accumulate;
        public Epilogue Epilogue;
        public int FirstColumn;
        public int RowChunks;
        public int ColumnRuns;
        public int PanelsPerPart;
        public int RowsPerPart;
        public float* PackedB;
    }

    private struct Strip
    {
        public float* A;
        public bool PackedA;
        public float* B;
        public nint StepB;
        public float* NextB;
        public int Depth;
        public int First;
        public int Rows;
        public bool Load;
        public bool Last;
    }
}
