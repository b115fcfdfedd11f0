using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// How a flow makes a positive scale σ of a network's unbounded output a. The choice decides where freshly initialised networks, whose outputs are near zero, start: at
/// σ = ½ by the plain sigmoid, which halves the space at every step, or at σ = 1, which leaves it as it is.
/// </summary>
public sealed record FlowScale
{
    private readonly Kind _kind;

    private FlowScale(Kind kind, double parameter) => (_kind, Parameter) = (kind, parameter);

    private enum Kind
    {
        Sigmoid,
        CentredSigmoid,
        Exponential,
        BoundedExponential,
    }

    /// <summary>σ = e^a.</summary>
    public static FlowScale Exponential { get; } = new(Kind.Exponential, 0);

    /// <summary>"sigmoid", "centred sigmoid", "exponential" or "bounded exponential".</summary>
    public string Name => _kind switch
    {
        Kind.Sigmoid => "sigmoid",
        Kind.CentredSigmoid => "centred sigmoid",
        Kind.Exponential => "exponential",
        _ => "bounded exponential",
    };

    /// <summary>c, the function's parameter; 0 where there is none.</summary>
    public double Parameter { get; }

    /// <summary>Whether σ = 1 for a = 0, so that networks of zeros make the identity.</summary>
    internal bool IsOneAtZero => _kind != Kind.Sigmoid;

    /// <summary>σ = sigmoid(a + c), always below 1.</summary>
    /// <param name="shift">c.</param>
    public static FlowScale Sigmoid(double shift = 0) => new(Kind.Sigmoid, shift);

    /// <summary>σ = sigmoid(a + c) / sigmoid(c): 1 for a = 0, at most 1 / sigmoid(c).</summary>
    /// <param name="shift">c.</param>
    public static FlowScale CentredSigmoid(double shift = 2) => new(Kind.CentredSigmoid, shift);

    /// <summary>σ = exp(c tanh(a / c)), the scale of Real NVP (Dinh et al. 2017): 1 for a = 0, between e^-c and e^c, so that no single sample can be stretched without limit.</summary>
    /// <param name="limit">c, greater than 0.</param>
    /// <exception cref="GapLabException">The limit is not positive.</exception>
    public static FlowScale Bounded(double limit = 2) => limit > 0
        ? new(Kind.BoundedExponential, limit)
        : throw new GapLabException($"FlowScale: the limit of a bounded scale must be positive, not {limit}.");

    /// <summary>log σ.</summary>
    /// <param name="a">A network's output.</param>
    public Tensor Log(Tensor a) => _kind switch
    {
        // log sigmoid(t) = -softplus(-t)
        Kind.Sigmoid => -a.Affine(-1, -Parameter).Softplus(),
        Kind.CentredSigmoid => a.Affine(-1, -Parameter).Softplus().Affine(-1, Math.Log(1 + Math.Exp(-Parameter))),
        Kind.Exponential => a,
        _ => (a / Parameter).Tanh() * Parameter,
    };
}
