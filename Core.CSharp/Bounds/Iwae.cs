using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// The importance-weighted bound L_k = E[log (1/k) Σ_i p(x, z_i) / q(z_i | x)] ≤ log p(x) (Burda et al. 2016), non-decreasing in k; see
/// <see cref="ImportanceSampler"/>.
/// </summary>
/// <param name="samples">k.</param>
public sealed class Iwae(int samples = 5000) : Bound
{
    /// <inheritdoc/>
    public override string Name => $"IWAE-{samples}";

    /// <inheritdoc/>
    public override BoundDirection Direction => BoundDirection.Lower;

    /// <inheritdoc/>
    public override BoundEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        new ImportanceSampler(samples).Estimate(model, family, x, Require(lambda), stream, progress, cancellation).Iwae;
}
