using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Specification;

namespace GapLab.Experiments;

/// <summary>
/// Something that is measured of a model on datapoints: bounds, local optima, diagnostics. What it gives for a datapoint depends on the model, the datapoint and
/// the seed alone, so that datapoints can be measured in blocks of any size. To define one, derive from this class.
/// </summary>
/// <param name="identity">Name, revision and settings.</param>
public abstract class Measure(Component identity)
{
    /// <summary>Name, revision and settings.</summary>
    public Component Identity { get; } = identity;

    /// <summary>What progress reports call it.</summary>
    public abstract string Title { get; }

    /// <summary>Whether the result describes the set of datapoints as a whole, so that all must be measured at once.</summary>
    public virtual bool IsOfWholeSet => false;

    /// <summary>
    /// A measure that costs a known part of this one for each datapoint and nothing else does, with the factor between them: for estimates of time.
    /// </summary>
    /// <param name="vae">The model that is to be measured.</param>
    public virtual (Measure Probe, double Factor) CheapPart(Vae vae) => (this, 1);

    /// <summary>What an estimate of time takes for granted, such as "for 8000 steps a datapoint"; empty for nothing.</summary>
    /// <param name="vae">The model that is to be measured.</param>
    public virtual string Assumption(Vae vae) => "";

    /// <summary>Measures a block of datapoints.</summary>
    /// <param name="vae">The model.</param>
    /// <param name="x">The datapoints.</param>
    /// <param name="seed">The seed of everything random.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops early.</param>
    public abstract MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation);
}
