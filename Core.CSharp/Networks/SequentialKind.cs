namespace GapLab.Networks;

/// <summary>What one module of a <see cref="SequentialNetwork"/> does.</summary>
public enum SequentialKind
{
    /// <summary>A fully connected layer, y = x Wᵀ + b.</summary>
    Linear,

    /// <summary>y = x: what acts in training only, such as dropout.</summary>
    Identity,

    /// <summary>y = x for x > 0, else e^x - 1.</summary>
    Elu,

    /// <summary>y = tanh x.</summary>
    Tanh,

    /// <summary>y = 1 / (1 + e^-x).</summary>
    Sigmoid,

    /// <summary>y = max(x, 0).</summary>
    Relu,

    /// <summary>y = max(x, 0) + s min(x, 0).</summary>
    LeakyRelu,

    /// <summary>y = log(1 + e^x).</summary>
    Softplus,

    /// <summary>y = x / (1 + e^-x).</summary>
    Silu,
}
