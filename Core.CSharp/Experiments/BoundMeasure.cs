using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>Any bound, at the λ that the model's own inference finds: column "bound". For bounds that a script defines.</summary>
/// <param name="identity">Name, revision and settings of the bound.</param>
/// <param name="bound">The bound.</param>
public sealed class BoundMeasure(Component identity, Bound bound) : Measure(identity)
{
    /// <inheritdoc/>
    public override string Title => bound.Name;

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
        return new MeasureResult(MeasuredColumn.Of(
            "bound", bound.Estimate(vae.Model, vae.Family, x, lambda, new RandomStream(seed, RandomPurpose.Importance), progress, cancellation)));
    }
}
