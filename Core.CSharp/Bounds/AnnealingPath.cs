using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;

namespace GapLab.Bounds;

/// <summary>A family of unnormalised densities log f_β(z) = base(z) + β · slope(z), from a normalised one at β = 0 to the joint density p(x, z) at β = 1.</summary>
public abstract class AnnealingPath
{
    /// <summary>Exact samples of f_0.</summary>
    /// <param name="noise">The noise that makes them.</param>
    public abstract Latents SampleStart(Noise noise);

    /// <summary>base(z) and slope(z) in nats, [1, C] float64 each.</summary>
    /// <param name="z">The states of C chains of one datapoint.</param>
    public abstract (Tensor Base, Tensor Slope) Evaluate(Latents z);

    /// <summary>
    /// Tensors with the gradients of base(z) and slope(z) whose values may be anything, [1, C] float64 each: what the steps inside a trajectory
    /// need. A path that can save work that way overrides it.
    /// </summary>
    /// <param name="z">The states of C chains of one datapoint.</param>
    public virtual (Tensor Base, Tensor Slope) EvaluateForGradient(Latents z) => Evaluate(z);
}
