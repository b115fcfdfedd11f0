using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void GatherRows(Storage x, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        // Rows are copied as bytes, whatever they hold.
        fixed (int* rows = indices)
            Run(new GatherLoop((byte*)x.Address, rows, columns * Storage.SizeOf(x.Type), (byte*)y.Address), indices.Length, columns);
    }

    /// <inheritdoc/>
    public override void ScatterRows(Storage g, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        RequireFloat32("ScatterRows", g, g, y);
        int rows = columns == 0 ? 0 : y.Length / columns, blocks = (columns + ScatterLoop.Block - 1) / ScatterLoop.Block;
        fixed (int* ids = indices)
            Run(new ScatterLoop((float*)g.Address, ids, indices.Length, columns, (float*)y.Address, rows), blocks, Math.Min(rows + indices.Length, ParallelThreshold) * ScatterLoop.Block);
    }

    private readonly struct GatherLoop(byte* x, int* rows, long size, byte* y) : ILoop
    {
        private readonly byte* _x = x, _y = y;
        private readonly int* _rows = rows;
        private readonly long _size = size;

        public void Execute(int start, int end)
        {
            for (long i = start; i < end; i++)
                Buffer.MemoryCopy(_x + _rows[i] * _size, _y + i * _size, _size, _size);
        }
    }

    /// <summary>Blocks of columns, so that all sums have one order whatever the rows are.</summary>
    private readonly struct ScatterLoop(float* g, int* ids, int count, int columns, float* y, int rows) : ILoop
    {
        public const int Block = 64;

        private readonly float* _g = g, _y = y;
        private readonly int* _ids = ids;
        private readonly int _count = count, _columns = columns, _rows = rows;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            int first = start * Block, width = Math.Min(_columns, end * Block) - first;
            if (width == _columns)
                new Span<float>(_y, _rows * _columns).Clear();
            else
                for (long v = 0; v < _rows; v++)
                    new Span<float>(_y + v * _columns + first, width).Clear();
            for (long i = 0; i < _count; i++)
            {
                float* g = _g + i * _columns + first, y = _y + (long)_ids[i] * _columns + first;
                int j = 0;
                for (; j <= width - 16; j += 16)
                    (Vector512.Load(y + j) + Vector512.Load(g + j)).Store(y + j);
                for (; j < width; j++)
                    y[j] += g[j];
            }
        }
    }
}
