using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>L[q] = E_q[log p(x, z) - log q(z | x)] ≤ log p(x), by sampling; see <see cref="ImportanceSampler"/>.</summary>
/// <param name="samples">Samples for each datapoint.</param>
public sealed class Elbo(int samples = 5000) : Bound
{
    /// <inheritdoc/>
    public override string Name => "ELBO";

    /// <inheritdoc/>
    public override BoundDirection Direction => BoundDirection.Lower;

    /// <inheritdoc/>
    public override BoundEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        new ImportanceSampler(samples).Estimate(model, family, x, Require(lambda), stream, progress, cancellation).Elbo;
}
