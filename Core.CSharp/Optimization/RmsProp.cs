using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>RMSProp (Tieleman and Hinton 2012): v ← decay · v + (1 - decay) · g², p ← p + rate · g / (√v + ε), from v = 0 and without a correction for that.</summary>
/// <param name="parameters">What it updates.</param>
/// <param name="learningRate">The step size.</param>
/// <param name="decay">From 0 to below 1.</param>
/// <param name="epsilon">ε, added to the root.</param>
public sealed class RmsProp(IEnumerable<Tensor> parameters, double learningRate, double decay = 0.99, double epsilon = 1e-8)
    : Optimizer(parameters, learningRate, moments: 2)
{
    // Adam's update, whose average of the gradients is the last gradient.
    private protected override void Step(Device device, ReadOnlySpan<ParameterUpdate> updates, double gradientScale) =>
        device.Adam(new AdamStep(LearningRate, Beta1: 0, decay, epsilon, Correction1: 1, Correction2: 1), updates, gradientScale);
}
