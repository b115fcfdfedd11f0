using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>Adam (Kingma and Ba 2015): p ← p + rate · m̂ / (√v̂ + ε), with bias-corrected averages m̂ of the gradients and v̂ of their squares.</summary>
/// <param name="parameters">What it updates.</param>
/// <param name="options">Step size, decays, ε.</param>
public sealed class Adam(IEnumerable<Tensor> parameters, AdamOptions options)
    : Optimizer(parameters, options.LearningRate, moments: 2)
{
    private protected override void Step(Device device, ReadOnlySpan<ParameterUpdate> updates, double gradientScale) => device.Adam(
        new AdamStep(
            LearningRate, options.Beta1, options.Beta2, options.Epsilon,
            1 - Math.Pow(options.Beta1, Steps), 1 - Math.Pow(options.Beta2, Steps)),
        updates, gradientScale);
}
