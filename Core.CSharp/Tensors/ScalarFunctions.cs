namespace GapLab.Tensors;

/// <summary>The elementwise functions on single float64 numbers, in forms that neither overflow nor cancel.</summary>
internal static class ScalarFunctions
{
    /// <summary>log 2π.</summary>
    public const double LogTwoPi = 1.8378770664093454836;

    public static double Evaluate(UnaryFunction f, double x) => f switch
    {
        UnaryFunction.Negate => -x,
        UnaryFunction.Exp => Math.Exp(x),
        UnaryFunction.Log => Math.Log(x),
        UnaryFunction.Sqrt => Math.Sqrt(x),
        UnaryFunction.Square => x * x,
        UnaryFunction.Reciprocal => 1 / x,
        UnaryFunction.Sigmoid => x >= 0 ? 1 / (1 + Math.Exp(-x)) : Math.Exp(x) / (1 + Math.Exp(x)),
        UnaryFunction.Softplus => Math.Max(x, 0) + Log1p(Math.Exp(-Math.Abs(x))),
        UnaryFunction.Tanh => Math.Tanh(x),
        UnaryFunction.Elu => x > 0 ? x : Expm1(x),
        UnaryFunction.NegativePart => x > 0 ? 0 : x,
        UnaryFunction.IsNegative => x < 0 ? 1 : 0,
        UnaryFunction.Finite => Math.Clamp(x, -float.MaxValue, float.MaxValue),
        UnaryFunction.Relu => Math.Max(x, 0),
        _ => throw new ArgumentOutOfRangeException(nameof(f)),
    };

    public static double Evaluate(BinaryFunction f, double x, double y) => f switch
    {
        BinaryFunction.Add => x + y,
        BinaryFunction.Subtract => x - y,
        BinaryFunction.Multiply => x * y,
        BinaryFunction.Divide => x / y,
        _ => throw new ArgumentOutOfRangeException(nameof(f)),
    };

    public static double Evaluate(Activation activation, double x) => activation switch
    {
        Activation.Identity => x,
        Activation.Elu => Evaluate(UnaryFunction.Elu, x),
        Activation.Tanh => Math.Tanh(x),
        Activation.Sigmoid => Evaluate(UnaryFunction.Sigmoid, x),
        Activation.Relu => Evaluate(UnaryFunction.Relu, x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    public static double DerivativeFromOutput(Activation activation, double y) => activation switch
    {
        Activation.Identity => 1,
        Activation.Elu => 1 + (y > 0 ? 0 : y),
        Activation.Tanh => 1 - y * y,
        Activation.Sigmoid => y * (1 - y),
        Activation.Relu => y > 0 ? 1 : 0,
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    /// <summary>log(1 + x) without losing the digits of a small x (Kahan's correction).</summary>
    public static double Log1p(double x)
    {
        double u = 1 + x;
        return u == 1 || double.IsInfinity(u) ? (u == 1 ? x : u) : Math.Log(u) * (x / (u - 1));
    }

    /// <summary>e^x - 1 without losing the digits of a small x (Kahan's correction).</summary>
    public static double Expm1(double x)
    {
        double u = Math.Exp(x);
        if (u == 1)
            return x;
        double difference = u - 1;
        return difference == -1 || double.IsInfinity(u) || double.IsNaN(u) ? difference : difference * (x / Math.Log(u));
    }
}
