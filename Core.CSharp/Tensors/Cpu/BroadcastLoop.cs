namespace GapLab.Tensors.Cpu;

/// <summary>
/// The loops of an elementwise operation with broadcasting: axes along which all operands move together are merged, so that
/// most operations become one or two loops. Strides are in numbers, 0 along an axis that an operand repeats.
/// </summary>
internal unsafe ref struct BroadcastLoop
{
    private fixed int _sizes[Shape.MaxRank];
    private fixed int _xStrides[Shape.MaxRank];
    private fixed int _yStrides[Shape.MaxRank];
    private int _rank;

    public BroadcastLoop(Shape x, Shape y, Shape result)
    {
        // Innermost first; an axis is merged into the one before it when both operands step through the two as through one.
        int xRun = 1, yRun = 1;
        for (int axis = 1; axis <= result.Rank; axis++)
        {
            int size = result[-axis];
            bool xMoves = axis <= x.Rank && x[-axis] != 1;
            bool yMoves = axis <= y.Rank && y[-axis] != 1;
            int xStride = xMoves ? xRun : 0, yStride = yMoves ? yRun : 0;
            if (xMoves)
                xRun *= size;
            if (yMoves)
                yRun *= size;
            if (size == 1)
                continue;
            int last = _rank - 1;
            if (last >= 0 && xStride == _xStrides[last] * _sizes[last] && yStride == _yStrides[last] * _sizes[last])
            {
                _sizes[last] *= size;
                continue;
            }
            _sizes[_rank] = size;
            _xStrides[_rank] = xStride;
            _yStrides[_rank] = yStride;
            _rank++;
        }
        if (_rank == 0)
        {
            _sizes[0] = result.Count;
            _rank = 1;
        }
        Rows = 1;
        for (int i = 1; i < _rank; i++)
            Rows *= _sizes[i];
    }

    /// <summary>The length of the innermost loop.</summary>
    public readonly int Columns => _sizes[0];

    /// <summary>How often the innermost loop runs.</summary>
    public int Rows { get; }

    /// <summary>The innermost stride of x: 1, or 0 where x repeats.</summary>
    public readonly int XStep => _xStrides[0];

    /// <summary>The innermost stride of y: 1, or 0 where y repeats.</summary>
    public readonly int YStep => _yStrides[0];

    /// <summary>Where the operands of innermost loop number <paramref name="row"/> start.</summary>
    public readonly void Offsets(int row, out int x, out int y)
    {
        x = y = 0;
        for (int i = 1; i < _rank; i++)
        {
            int position = row % _sizes[i];
            row /= _sizes[i];
            x += position * _xStrides[i];
            y += position * _yStrides[i];
        }
    }
}
