namespace GapLab.Tensors;

/// <summary>Activation functions whose derivative is a function of their output alone, so that the input need not be kept.</summary>
public enum Activation
{
    /// <summary>y = x, y' = 1.</summary>
    Identity,

    /// <summary>y = x for x > 0, else e^x - 1; y' = 1 + min(y, 0).</summary>
    Elu,

    /// <summary>y = tanh x; y' = 1 - y².</summary>
    Tanh,

    /// <summary>y = 1 / (1 + e^-x); y' = y (1 - y).</summary>
    Sigmoid,

    /// <summary>y = max(x, 0); y' = 1 for y > 0, else 0.</summary>
    Relu,
}
