namespace GapLab.Tensors;

/// <summary>The elementwise functions of one argument that a device implements.</summary>
public enum UnaryFunction
{
    /// <summary>-x.</summary>
    Negate,

    /// <summary>e^x.</summary>
    Exp,

    /// <summary>The natural logarithm.</summary>
    Log,

    /// <summary>The square root.</summary>
    Sqrt,

    /// <summary>x².</summary>
    Square,

    /// <summary>1 / x.</summary>
    Reciprocal,

    /// <summary>1 / (1 + e^-x), from e^-|x| so that it never overflows.</summary>
    Sigmoid,

    /// <summary>log(1 + e^x) = max(x, 0) + log(1 + e^-|x|).</summary>
    Softplus,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh,

    /// <summary>x for x > 0, else e^x - 1 (α = 1).</summary>
    Elu,

    /// <summary>min(x, 0); NaN stays NaN.</summary>
    NegativePart,

    /// <summary>1 for x &lt; 0, else 0: the derivative of <see cref="NegativePart"/>, itself with derivative 0.</summary>
    IsNegative,

    /// <summary>The nearest number that is finite in single precision, on every device: x itself unless it is larger than 3.4e38 or infinite; NaN stays NaN.</summary>
    Finite,

    /// <summary>max(x, 0); NaN stays NaN.</summary>
    Relu,
}
