using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// A density over the plane, known up to a factor by its logarithm at the points of a grid: integral, moments, divergences and maxima by quadrature (trapezoidal rule,
/// exponents shifted by the largest). All of it presumes that the density is negligible outside the grid and smooth between the points; <see cref="QuadratureError"/>
/// tells whether they lie close enough. <see cref="Find"/> makes a grid where the mass is.
/// </summary>
public sealed partial class PlaneDensity
{
    private readonly double[] _logValues;
    private readonly double[] _probabilities;

    /// <summary>The density with given values.</summary>
    /// <param name="grid">The points.</param>
    /// <param name="logValues">The log-density at each, up to a constant, in the grid's order; -∞ where the density vanishes, and NaN counts as that.</param>
    /// <exception cref="ShapeException">Another number of values than of points.</exception>
    /// <exception cref="GapLabException">The density vanishes at all points, or is infinite at one.</exception>
    public PlaneDensity(PlaneGrid grid, double[] logValues)
    {
        if (logValues.Length != grid.Count)
            throw new ShapeException($"A density on a grid of {grid.Count} points got {logValues.Length} values.");
        Grid = grid;
        _logValues = Array.ConvertAll(logValues, value => double.IsNaN(value) ? double.NegativeInfinity : value);
        double max = _logValues.Max(), sum = 0, coarseSum = 0;
        if (!double.IsFinite(max))
            throw new GapLabException($"A density on a grid must be finite, and not zero at all points; its largest logarithm is {max}.");
        _probabilities = new double[grid.Count];
        for (int i = 0; i < grid.Count; i++)
        {
            _probabilities[i] = grid.Weight(i) * Math.Exp(_logValues[i] - max);
            sum += _probabilities[i];
            coarseSum += grid.IsCoarse(i) ? _probabilities[i] : 0;
        }
        for (int i = 0; i < grid.Count; i++)
            _probabilities[i] /= sum;
        LogIntegral = max + Math.Log(sum * grid.StepX * grid.StepY);
        QuadratureError = Math.Abs(Math.Log(4 * coarseSum / sum));
        MeanX = Expectation((x, _) => x);
        MeanY = Expectation((_, y) => y);
        VarianceX = Expectation((x, _) => (x - MeanX) * (x - MeanX));
        VarianceY = Expectation((_, y) => (y - MeanY) * (y - MeanY));
        Covariance = Expectation((x, y) => (x - MeanX) * (y - MeanY));
    }

    /// <summary>The points.</summary>
    public PlaneGrid Grid { get; }

    /// <summary>The logarithm of the integral of the given values. For log p(x, z) as a function of z it is log p(x).</summary>
    public double LogIntegral { get; }

    /// <summary>How much <see cref="LogIntegral"/> changes if every second point is left out: for smooth densities far more than its error.</summary>
    public double QuadratureError { get; }

    /// <summary>E[x].</summary>
    public double MeanX { get; }

    /// <summary>E[y].</summary>
    public double MeanY { get; }

    /// <summary>Var(x).</summary>
    public double VarianceX { get; }

    /// <summary>Var(y).</summary>
    public double VarianceY { get; }

    /// <summary>Cov(x, y).</summary>
    public double Covariance { get; }

    /// <summary>Cov(x, y) / √(Var(x) Var(y)), from -1 to 1.</summary>
    public double Correlation => Covariance / Math.Sqrt(VarianceX * VarianceY);

    /// <summary>log p of the normalised density at every point.</summary>
    public double[] LogDensities() => Array.ConvertAll(_logValues, value => value - LogIntegral);

    /// <summary>E[f] of a function given by its values at the points; what it is where the density vanishes does not matter.</summary>
    /// <param name="values">f, in the grid's order.</param>
    /// <exception cref="ShapeException">Another number of values than of points.</exception>
    public double Expectation(double[] values)
    {
        if (values.Length != Grid.Count)
            throw new ShapeException($"An expectation on a grid of {Grid.Count} points got {values.Length} values.");
        double sum = 0;
        for (int i = 0; i < values.Length; i++)
            sum += _probabilities[i] == 0 ? 0 : _probabilities[i] * values[i];
        return sum;
    }

    /// <summary>KL(this ‖ other) ≥ 0 in nats; infinite where the other density vanishes and this one does not.</summary>
    /// <param name="logOther">The other's normalised log-density at the points of this one's grid.</param>
    /// <exception cref="ShapeException">Another number of values than of points.</exception>
    public double DivergenceFrom(double[] logOther)
    {
        if (logOther.Length != Grid.Count)
            throw new ShapeException($"A divergence on a grid of {Grid.Count} points got {logOther.Length} values.");
        double sum = 0;
        for (int i = 0; i < logOther.Length; i++)
            sum += _probabilities[i] == 0 ? 0 : _probabilities[i] * (_logValues[i] - LogIntegral - logOther[i]);
        return sum;
    }

    /// <summary>The density whose excess region {z : p(z) ≥ level} is the smallest with a given probability, as a logarithm: outlines of 50 % or 95 % of the mass.</summary>
    /// <param name="probability">Of the region, greater than 0 and less than 1.</param>
    /// <exception cref="GapLabException">The probability is out of its range.</exception>
    public double LogLevel(double probability)
    {
        if (!(probability > 0 && probability < 1))
            throw new GapLabException($"A region's probability must lie between 0 and 1, not {probability}.");
        double sum = 0;
        foreach (int i in ByHeight())
        {
            sum += _probabilities[i];
            if (sum >= probability)
                return _logValues[i] - LogIntegral;
        }
        // Only rounding leads here.
        return double.NegativeInfinity;
    }

    private double Expectation(Func<double, double, double> function)
    {
        double sum = 0;
        for (int i = 0; i < _probabilities.Length; i++)
            sum += _probabilities[i] * function(Grid.X(i % Grid.Size), Grid.Y(i / Grid.Size));
        return sum;
    }

    /// <summary>All points, the highest first; equal ones in the grid's order.</summary>
    private int[] ByHeight() => [.. Enumerable.Range(0, Grid.Count).OrderByDescending(i => _logValues[i])];

    /// <summary>The up to eight neighbours of a point.</summary>
    private static IEnumerable<int> Neighbours(PlaneGrid grid, int point)
    {
        int row = point / grid.Size, column = point % grid.Size;
        for (int i = Math.Max(0, row - 1); i <= Math.Min(grid.Size - 1, row + 1); i++)
            for (int j = Math.Max(0, column - 1); j <= Math.Min(grid.Size - 1, column + 1); j++)
                if (i != row || j != column)
                    yield return i * grid.Size + j;
    }
}
