namespace GapLab.Bounds;

/// <summary>log p(x) of simulated datapoints between two bounds, see <see cref="Bdmc"/>.</summary>
/// <param name="Forward">The chains upwards: lower bounds.</param>
/// <param name="Reverse">The chains downwards: upper bounds.</param>
public sealed record BdmcEstimate(AisEstimate Forward, AisEstimate Reverse)
{
    /// <summary>AIS: lower bounds in expectation.</summary>
    public BoundEstimate Lower => Forward.LogMarginal;

    /// <summary>Reverse AIS: upper bounds in expectation. Their standard errors are those of the moves, for the given exact sample.</summary>
    public BoundEstimate Upper => Reverse.LogMarginal;

    /// <summary>Whether the expectations are certain to be bounds: with frozen steps.</summary>
    public bool IsCertified => Forward.IsCertified && Reverse.IsCertified;

    /// <summary>Upper - lower of every datapoint. In expectation at least 0 and at least the error of AIS; a single one may be negative.</summary>
    public double[] Differences => [.. Upper.Values.Zip(Lower.Values, (upper, lower) => upper - lower)];

    /// <summary>The average of <see cref="Differences"/>: in expectation at least the average error of AIS.</summary>
    public double MeanDifference => Differences.Average();

    /// <summary>
    /// The standard error of <see cref="MeanDifference"/> from its spread over the datapoints, the randomness of the simulation included; NaN for a single datapoint.
    /// </summary>
    public double DifferenceError
    {
        get
        {
            double[] differences = Differences;
            double mean = differences.Average();
            return Math.Sqrt(differences.Sum(d => (d - mean) * (d - mean)) / (differences.Length - 1.0) / differences.Length);
        }
    }
}
