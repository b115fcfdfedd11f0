namespace GapLab.Bounds;

public sealed partial class PlaneDensity
{
    /// <summary>
    /// The local maxima, the highest first. One from which the density falls by less than a given depth, on the best way to a higher point, is a ripple: its basin counts with
    /// the basin across the saddle.
    /// </summary>
    /// <param name="minimumDepth">In nats, greater than 0.</param>
    public IReadOnlyList<DensityMode> Modes(double minimumDepth = 0.1)
    {
        // Points appear from the highest down. One without a neighbour there is a summit; one between islands is the saddle that joins them, which settles the depth of the
        // lower summit. `basin` says which summit the steepest way up leads to, `island` leads towards the highest summit of the land.
        int[] island = new int[Grid.Count], basin = new int[Grid.Count];
        Array.Fill(basin, -1);
        var depths = new Dictionary<int, double>();
        var across = new Dictionary<int, int>();
        foreach (int point in ByHeight())
        {
            if (double.IsNegativeInfinity(_logValues[point]))
                break;
            int[] above = [.. Neighbours(Grid, point).Where(neighbour => basin[neighbour] >= 0).OrderByDescending(neighbour => _logValues[neighbour])];
            if (above.Length == 0)
            {
                (island[point], basin[point]) = (point, point);
                depths[point] = double.PositiveInfinity;
                continue;
            }
            int[] summits = Array.ConvertAll(above, neighbour => SummitOf(island, neighbour));
            int highest = summits.MaxBy(summit => _logValues[summit]);
            // Several islands may meet at once: all join the highest one, so that no two lead to each other.
            int beyond = basin[above[Array.IndexOf(summits, highest)]];
            foreach (int lower in summits.Where(summit => summit != highest).Distinct())
            {
                depths[lower] = _logValues[lower] - _logValues[point];
                (across[lower], island[lower]) = (beyond, highest);
            }
            (island[point], basin[point]) = (highest, basin[above[0]]);
        }
        Dictionary<int, double> weights = depths.Where(summit => summit.Value >= minimumDepth).ToDictionary(summit => summit.Key, _ => 0.0);
        for (int point = 0; point < basin.Length; point++)
        {
            if (basin[point] < 0)
                continue;
            int summit = basin[point];
            while (!weights.ContainsKey(summit))
                summit = across[summit];
            weights[summit] += _probabilities[point];
        }
        return
        [
            .. from summit in weights.Keys
               orderby _logValues[summit] descending, depths[summit] descending
               select new DensityMode(
                   Grid.X(summit % Grid.Size), Grid.Y(summit / Grid.Size), _logValues[summit] - LogIntegral, depths[summit], weights[summit]),
        ];
    }

    /// <summary>The maximum, other than the highest, that stands most clearly for a part of its own, by <see cref="DensityMode.Separation"/>; null if there is only one maximum.</summary>
    public DensityMode? SecondPart() => Modes().Skip(1).MaxBy(mode => mode.Separation);

    /// <summary>How clearly the density has two parts, from 0 for one maximum to ½: the separation of the second one.</summary>
    public double Bimodality() => SecondPart()?.Separation ?? 0;

    /// <summary>The highest summit of the land that a point belongs to; shortens the ways there.</summary>
    private static int SummitOf(int[] island, int point)
    {
        while (island[point] != point)
            point = island[point] = island[island[point]];
        return point;
    }
}
