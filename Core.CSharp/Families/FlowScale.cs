using GapLab.Differentiation;

namespace GapLab.Families;

/// <summary>
/// How a flow makes a positive scale σ of a network's unbounded output a. The choice decides where freshly initialised networks, whose outputs are near zero, start: at
/// σ = ½ by the plain sigmoid, which halves the space at every step, or at σ = 1, which leaves it as it is.
/// </summary>
public sealed record FlowScale
{
    private readonly double _logAtZero;

    private FlowScale(string name, double shift, double logAtZero) => (Name, Shift, _logAtZero) = (name, shift, logAtZero);

    /// <summary>σ = e^a.</summary>
    public static FlowScale Exponential { get; } = new("exponential", 0, 0);

    /// <summary>"sigmoid", "centred sigmoid" or "exponential".</summary>
    public string Name { get; }

    /// <summary>c, the shift of a; 0 where there is none.</summary>
    public double Shift { get; }

    /// <summary>Whether σ = 1 for a = 0, so that networks of zeros make the identity.</summary>
    internal bool IsOneAtZero => _logAtZero == 0;

    /// <summary>σ = sigmoid(a + c), always below 1.</summary>
    /// <param name="shift">c.</param>
    public static FlowScale Sigmoid(double shift = 0) => new("sigmoid", shift, LogSigmoid(shift));

    /// <summary>σ = sigmoid(a + c) / sigmoid(c): 1 for a = 0, at most 1 / sigmoid(c).</summary>
    /// <param name="shift">c.</param>
    public static FlowScale CentredSigmoid(double shift = 2) => new("centred sigmoid", shift, 0);

    /// <summary>log σ.</summary>
    /// <param name="a">A network's output.</param>
    public Tensor Log(Tensor a) => this == Exponential
        ? a
        // log sigmoid(t) = -softplus(-t)
        : a.Affine(-1, -Shift).Softplus().Affine(-1, _logAtZero - LogSigmoid(Shift));

    private static double LogSigmoid(double x) => Math.Min(x, 0) - Math.Log(1 + Math.Exp(-Math.Abs(x)));
}
