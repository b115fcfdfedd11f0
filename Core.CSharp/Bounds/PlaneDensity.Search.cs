using GapLab.Tensors;

namespace GapLab.Bounds;

public sealed partial class PlaneDensity
{
    /// <summary>Points this many nats below the highest one are left out: a millionth of a millionth of its density.</summary>
    private const double Negligible = 30;

    private const int SearchSize = 129, LargestSize = 1025, MostRounds = 100;

    /// <summary>
    /// The density on a grid where its mass is. From the square [-radius, radius]² on, which grows while it cuts off mass, the grid shrinks to the points that count:
    /// those where the value, plus the largest difference to a neighbour, comes within 30 nats of the highest. So a peak between two points is not lost as long as its
    /// slopes show at the nearest points. At last the points are doubled until every second one would do.
    /// </summary>
    /// <remarks>A separate peak whose slopes are steep only within less than a cell of the first grid, radius / 64 wide, can be missed.</remarks>
    /// <param name="logDensity">The log-density, up to a constant, at all points of a grid, in its order.</param>
    /// <param name="radius">Half the side of the square where the search starts, greater than 0.</param>
    /// <param name="tolerance">The largest <see cref="QuadratureError"/>, in nats, with which the doubling ends; it also ends at 1,025 points along each axis.</param>
    /// <param name="cancellation">Stops between two grids.</param>
    /// <exception cref="GapLabException">The mass has no end within 64 times the radius, or the density is not finite.</exception>
    public static PlaneDensity Find(Func<PlaneGrid, double[]> logDensity, double radius = 8, double tolerance = 1e-6, CancellationToken cancellation = default)
    {
        PlaneGrid grid = PlaneGrid.Square(radius, SearchSize);
        bool isSquare = true;
        for (int round = 0; round < MostRounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            (int left, int right, int bottom, int top) = Extent(new PlaneDensity(grid, logDensity(grid)));
            int last = grid.Size - 1;
            if (isSquare && (left == 0 || bottom == 0 || right == last || top == last))
            {
                if (grid.Right >= 64 * radius)
                    throw new GapLabException($"A density over the plane has mass outside of the square of half side {grid.Right}; is it normalised?");
                grid = PlaneGrid.Square(2 * grid.Right, SearchSize);
                continue;
            }
            isSquare = false;
            bool isTight = Math.Max(right - left, top - bottom) > 0.7 * last;
            // A cell more on each side: the first point that does not count.
            grid = new PlaneGrid(
                grid.X(Math.Max(0, left - 1)), grid.X(Math.Min(last, right + 1)), grid.Y(Math.Max(0, bottom - 1)), grid.Y(Math.Min(last, top + 1)), SearchSize);
            if (isTight)
                break;
        }
        var density = new PlaneDensity(grid, logDensity(grid));
        while (density.QuadratureError > tolerance && grid.Size < LargestSize)
        {
            cancellation.ThrowIfCancellationRequested();
            grid = grid.WithSize(2 * grid.Size - 1);
            density = new PlaneDensity(grid, logDensity(grid));
        }
        return density;
    }

    /// <summary>The first and last columns and rows with points that count.</summary>
    private static (int Left, int Right, int Bottom, int Top) Extent(PlaneDensity density)
    {
        PlaneGrid grid = density.Grid;
        double[] values = density._logValues;
        double least = values.Max() - Negligible;
        int left = grid.Size, right = -1, bottom = grid.Size, top = -1;
        for (int point = 0; point < values.Length; point++)
        {
            double steepest = 0;
            foreach (int neighbour in Neighbours(grid, point))
                if (double.IsFinite(values[neighbour]))
                    steepest = Math.Max(steepest, Math.Abs(values[point] - values[neighbour]));
            if (!(values[point] + steepest >= least))
                continue;
            (left, right) = (Math.Min(left, point % grid.Size), Math.Max(right, point % grid.Size));
            (bottom, top) = (Math.Min(bottom, point / grid.Size), Math.Max(top, point / grid.Size));
        }
        return (left, right, bottom, top);
    }
}
