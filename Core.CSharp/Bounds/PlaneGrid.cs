using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>N x N points at equal distances over a rectangle of the plane, its edges included. Point i·N + j lies at (X(j), Y(i)).</summary>
public sealed record PlaneGrid
{
    /// <summary>A grid over a rectangle.</summary>
    /// <param name="left">The smallest x.</param>
    /// <param name="right">The largest x.</param>
    /// <param name="bottom">The smallest y.</param>
    /// <param name="top">The largest y.</param>
    /// <param name="size">N, odd and at least 5, so that every second point makes a grid over the same rectangle.</param>
    /// <exception cref="GapLabException">The rectangle is empty or not finite, or N is even or too small.</exception>
    public PlaneGrid(double left, double right, double bottom, double top, int size)
    {
        if (!(left < right) || !(bottom < top) || !double.IsFinite(right - left) || !double.IsFinite(top - bottom))
            throw new GapLabException($"A grid needs a rectangle of finite width and height, not {left} to {right} by {bottom} to {top}.");
        if (size < 5 || size % 2 == 0)
            throw new GapLabException($"A grid needs an odd number of points along each axis, at least 5, not {size}.");
        (Left, Right, Bottom, Top, Size) = (left, right, bottom, top, size);
    }

    /// <summary>The smallest x.</summary>
    public double Left { get; }

    /// <summary>The largest x.</summary>
    public double Right { get; }

    /// <summary>The smallest y.</summary>
    public double Bottom { get; }

    /// <summary>The largest y.</summary>
    public double Top { get; }

    /// <summary>N.</summary>
    public int Size { get; }

    /// <summary>The number of points, N².</summary>
    public int Count => Size * Size;

    /// <summary>The distance between neighbours along x.</summary>
    public double StepX => (Right - Left) / (Size - 1);

    /// <summary>The distance between neighbours along y.</summary>
    public double StepY => (Top - Bottom) / (Size - 1);

    /// <summary>The square [-radius, radius]².</summary>
    /// <param name="radius">Half its side.</param>
    /// <param name="size">N.</param>
    public static PlaneGrid Square(double radius, int size) => new(-radius, radius, -radius, radius, size);

    /// <summary>The x of a column.</summary>
    /// <param name="column">From 0.</param>
    public double X(int column) => Left + column * StepX;

    /// <summary>The y of a row.</summary>
    /// <param name="row">From 0.</param>
    public double Y(int row) => Bottom + row * StepY;

    /// <summary>Whether the point belongs to the grid of every second point.</summary>
    internal bool IsCoarse(int point) => point / Size % 2 == 0 && point % Size % 2 == 0;

    /// <summary>
    /// The weight of a point in the trapezoidal rule, in units of a cell's area. For smooth densities that vanish towards the edges the rule converges faster
    /// than any power of the distance.
    /// </summary>
    internal double Weight(int point) => WeightAlong(point / Size) * WeightAlong(point % Size);

    private double WeightAlong(int position) => position == 0 || position == Size - 1 ? 0.5 : 1;

    /// <summary>The same rectangle with other points.</summary>
    /// <param name="size">N.</param>
    public PlaneGrid WithSize(int size) => new(Left, Right, Bottom, Top, size);
}
