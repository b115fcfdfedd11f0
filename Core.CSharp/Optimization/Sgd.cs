using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>Stochastic gradient ascent with momentum: m ← momentum · m + g, p ← p + rate · m. Without momentum, p ← p + rate · g.</summary>
/// <param name="parameters">What it updates.</param>
/// <param name="learningRate">The step size.</param>
/// <param name="momentum">From 0 to below 1.</param>
public sealed class Sgd(IEnumerable<Tensor> parameters, double learningRate, double momentum = 0)
    : Optimizer(parameters, learningRate, moments: MomentsFor(momentum))
{
    /// <summary>How many moments are kept: none without momentum.</summary>
    internal static int MomentsFor(double momentum) => momentum == 0 ? 0 : 1;

    private protected override void Step(Device device, ReadOnlySpan<ParameterUpdate> updates, double gradientScale) =>
        device.Momentum(LearningRate, momentum, updates, gradientScale);
}
