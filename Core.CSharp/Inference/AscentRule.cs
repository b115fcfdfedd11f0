namespace GapLab.Inference;

/// <summary>How <see cref="VariationalEm"/> makes steps of gradients.</summary>
public enum AscentRule
{
    /// <summary>The gradient times the step size.</summary>
    Sgd,

    /// <summary>With momentum 0.9.</summary>
    Momentum,

    /// <summary>RMSProp with its usual decay 0.99.</summary>
    RmsProp,

    /// <summary>Adam with its usual decays 0.9 and 0.999.</summary>
    Adam,
}
