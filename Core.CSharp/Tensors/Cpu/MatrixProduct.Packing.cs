namespace GapLab.Tensors.Cpu;

// Packing of both factors, and when it pays.
internal static unsafe partial class MatrixProduct
{
    // Rows of a factor that are packed in one go: few enough that their pages stay at hand for all tiles or panels.
    private const int MaxPackedRows = 64;

    private static bool PaysToPack(Job* job) =>
        job->Source == RightSource.Transposed
            ? job->RowChunks > 1
            : job->M >= 256 || (job->M >= 48 && job->Ldb % SetStride == 0);

    private static void PackPanels(void* context, int part)
    {
        var job = (Job*)context;
        var width = MicroKernelSet.OfWidth(job->Width).Columns;
        var begin = part * job->PanelsPerPart * width;
        var end = Math.Min(job->N, begin + (job->PanelsPerPart * width));
        for (var j = begin; j < end; j += width)
        {
            PackPanel(job, j, 0, job->K, job->PackedB + ((nint)j * job->K), width);
        }
    }

    // Some rows of op(B), as they lie in memory, into all panels: reading whole rows in order is several times faster
    // than reading one panel's short pieces of them, each in another page.
    private static void PackRows(void* context, int part)
    {
        var job = (Job*)context;
        var width = MicroKernelSet.OfWidth(job->Width).Columns;
        var k0 = (nint)part * job->RowsPerPart;
        var depth = Math.Min(job->RowsPerPart, job->K - k0);
        var full = job->N / width;
        var target = job->PackedB + (k0 * width);
        var step = (nint)job->K * width;
        Packing.CopyPanels(job->B + (k0 * job->Ldb), job->Ldb, depth, full, target, step, width);
        if (full * width < job->N)
        {
            PackPanel(job, full * width, k0, depth, target + (full * step), width);
        }
    }

    // panel[depth, width] = op(B)[k0 .. k0 + depth, j .. j + width]
    private static void PackPanel(Job* job, nint j, nint k0, nint depth, float* panel, int width)
    {
        var columns = (int)Math.Min(width, job->N - j);
        if (job->Source == RightSource.Rows)
        {
            Packing.Copy(job->B + (k0 * job->Ldb) + j, job->Ldb, depth, columns, panel, width);
        }
        else
        {
            Packing.Transpose(job->B + (j * job->Ldb) + k0, job->Ldb, depth, columns, panel, width);
        }
    }

    private static bool PaysToPackLeft(Job* job, int columns) =>
        job->Lda % SetStride == 0 ? columns >= 64 : columns >= 512;

    // packed = op(A)[first .. first + count, k0 .. k0 + depth], tile after tile, each [depth, rows of the tile].
    private static void PackLeft(Job* job, int most, int first, int count, nint k0, nint depth, float* packed)
    {
        // Without a transposition the rows of the source run along k, and every tile reads its own from end to end.
        var step = job->TransA ? MaxPackedRows : depth;
        for (nint k = 0; k < depth; k += step)
        {
            var part = Math.Min(step, depth - k);
            var source = job->TransA ? job->A + ((k0 + k) * job->Lda) + first : job->A + (first * job->Lda) + k0;
            for (var i = 0; i < count;)
            {
                var rows = TileRows(count - i, most);
                var target = packed + (i * depth) + (k * rows);
                if (job->TransA)
                {
                    Packing.Copy(source + i, job->Lda, part, rows, target, rows);
                }
                else
                {
                    Packing.Transpose(source + (i * job->Lda), job->Lda, part, rows, target, rows);
                }

                i += rows;
            }
        }
    }
}
