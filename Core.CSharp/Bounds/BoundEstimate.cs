using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>Estimates of log p(x) for some datapoints, in nats.</summary>
/// <param name="Name">The estimator, such as "IWAE-5000".</param>
/// <param name="Direction">On which side of log p(x) the expectation lies.</param>
/// <param name="Values">One estimate a datapoint.</param>
/// <param name="StandardErrors">The Monte-Carlo standard error of each.</param>
public sealed record BoundEstimate(string Name, BoundDirection Direction, double[] Values, double[] StandardErrors)
{
    /// <summary>The index of every datapoint in its data set; empty where it is not known.</summary>
    public ReadOnlyMemory<int> Datapoints { get; init; }

    /// <summary>The average over the datapoints.</summary>
    public double Mean => Values.Length == 0 ? double.NaN : Values.Average();

    /// <summary>The Monte-Carlo standard error of <see cref="Mean"/>: what another seed would change, for the same datapoints.</summary>
    public double MonteCarloError => Math.Sqrt(StandardErrors.Sum(error => error * error)) / StandardErrors.Length;

    /// <summary>The estimates of some of these datapoints, in the order asked for.</summary>
    /// <param name="datapoints">Indices in the data set.</param>
    /// <exception cref="GapLabException">A datapoint is not among them.</exception>
    public BoundEstimate At(params ReadOnlySpan<int> datapoints)
    {
        var rows = new int[datapoints.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = Datapoints.Span.IndexOf(datapoints[i]);
            if (rows[i] < 0)
                throw new GapLabException($"{Name}: there is no estimate of datapoint {datapoints[i]}.");
        }
        return this with
        {
            Values = Array.ConvertAll(rows, row => Values[row]),
            StandardErrors = StandardErrors.Length == 0 ? [] : Array.ConvertAll(rows, row => StandardErrors[row]),
            Datapoints = datapoints.ToArray(),
        };
    }

    /// <summary>A log-weight that is not a number would hide behind the other bound of a comparison; it is an error. Minus infinity is an answer.</summary>
    internal static void RequireNumber(string estimator, double value, int datapoint)
    {
        if (double.IsNaN(value) || double.IsPositiveInfinity(value))
            throw new GapLabException($"{estimator}: the estimate of datapoint {datapoint} is {value}; the model's parameters or λ are not finite, or the log-density overflows.");
    }
}
