using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>An estimator of log p(x), for every datapoint of a batch. To define one, derive from this class.</summary>
public abstract class Bound
{
    /// <summary>A short name for tables and provenance.</summary>
    public abstract string Name { get; }

    /// <summary>On which side of log p(x) the estimate's expectation lies.</summary>
    public abstract BoundDirection Direction { get; }

    /// <summary>Estimates log p(x) in nats.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q; estimators that need no q ignore it.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">λ of every datapoint; null for estimators that need no q.</param>
    /// <param name="stream">The source of randomness: a datapoint's numbers are keyed by its index.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two datapoints.</param>
    public abstract BoundEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default);

    /// <summary>λ, which an estimator that samples from q cannot do without.</summary>
    /// <exception cref="GapLabException">It is null.</exception>
    protected LocalParameters Require(LocalParameters? lambda) =>
        lambda ?? throw new GapLabException($"{Name} samples from q(z | x) and needs its local parameters; none were given.");
}
