namespace GapLab.Bounds;

/// <summary>Estimates of log p(x) for some datapoints, in nats.</summary>
/// <param name="Name">The estimator, such as "IWAE-5000".</param>
/// <param name="Direction">On which side of log p(x) the expectation lies.</param>
/// <param name="Values">One estimate a datapoint.</param>
/// <param name="StandardErrors">The Monte-Carlo standard error of each.</param>
public sealed record BoundEstimate(string Name, BoundDirection Direction, double[] Values, double[] StandardErrors)
{
    /// <summary>The average over the datapoints.</summary>
    public double Mean { get; } = Values.Average();

    /// <summary>The Monte-Carlo standard error of <see cref="Mean"/>: what another seed would change, for the same datapoints.</summary>
    public double MonteCarloError { get; } = Math.Sqrt(StandardErrors.Sum(error => error * error)) / StandardErrors.Length;
}
