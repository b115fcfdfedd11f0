namespace GapLab.Bounds;

/// <summary>How annealed importance sampling finds the step sizes of its Hamiltonian moves.</summary>
public enum StepSizeMode
{
    /// <summary>
    /// Every chain adapts its own step as it goes. Simple and cheap, but a step that depends on the chain's past makes the weights not quite unbiased.
    /// </summary>
    Adaptive,

    /// <summary>
    /// A pilot run of other chains adapts, and the mean of its steps at every β is then used unchanged: the weights are unbiased, E[e^w] = p(x), at twice the cost.
    /// </summary>
    Frozen,
}
