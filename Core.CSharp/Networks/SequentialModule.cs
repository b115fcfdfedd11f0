using System.Globalization;
using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>One module of a <see cref="SequentialNetwork"/>.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Outputs">The size of a linear layer's output; 0 for the other kinds, which keep the size of their input.</param>
/// <param name="Slope">The slope s of leaky-relu below 0; 0 for the other kinds.</param>
public sealed record SequentialModule(SequentialKind Kind, int Outputs = 0, double Slope = 0)
{
    /// <summary>The modules that <see cref="Parse"/> knows, for messages.</summary>
    public const string Known = "'linear N' with the number of outputs N, elu, tanh, sigmoid, relu, leaky-relu, 'leaky-relu S' with the slope S below 0, softplus, silu, identity or dropout";

    /// <summary>The slope of leaky-relu where none is given, as in PyTorch.</summary>
    private const double UsualSlope = 0.01;

    /// <summary>Reads a module from its text: "linear 200", "elu", "leaky-relu 0.2". Dropout is the identity, which it is outside training.</summary>
    /// <param name="text">The text.</param>
    /// <returns>Null for a text that is none of <see cref="Known"/>.</returns>
    public static SequentialModule? Parse(string text)
    {
        string[] parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return parts switch
        {
            ["linear", var size] when int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out int outputs) && outputs > 0 =>
                new SequentialModule(SequentialKind.Linear, outputs),
            ["leaky-relu", var slope] when double.TryParse(slope, NumberStyles.Float, CultureInfo.InvariantCulture, out double s) && double.IsFinite(s) =>
                new SequentialModule(SequentialKind.LeakyRelu, Slope: s),
            ["leaky-relu"] => new SequentialModule(SequentialKind.LeakyRelu, Slope: UsualSlope),
            ["identity" or "dropout"] => new SequentialModule(SequentialKind.Identity),
            ["elu"] => new SequentialModule(SequentialKind.Elu),
            ["tanh"] => new SequentialModule(SequentialKind.Tanh),
            ["sigmoid"] => new SequentialModule(SequentialKind.Sigmoid),
            ["relu"] => new SequentialModule(SequentialKind.Relu),
            ["softplus"] => new SequentialModule(SequentialKind.Softplus),
            ["silu"] => new SequentialModule(SequentialKind.Silu),
            _ => null,
        };
    }

    /// <summary>The text that <see cref="Parse"/> reads.</summary>
    public override string ToString() => Kind switch
    {
        SequentialKind.Linear => $"linear {Outputs}",
        SequentialKind.LeakyRelu => string.Create(CultureInfo.InvariantCulture, $"leaky-relu {Slope:R}"),
        _ => Kind.ToString().ToLowerInvariant(),
    };

    /// <summary>The activation that a linear layer computes along with its product; null for what it does not.</summary>
    internal Activation? Fused => Kind switch
    {
        SequentialKind.Identity => Activation.Identity,
        SequentialKind.Elu => Activation.Elu,
        SequentialKind.Tanh => Activation.Tanh,
        SequentialKind.Sigmoid => Activation.Sigmoid,
        SequentialKind.Relu => Activation.Relu,
        _ => null,
    };

    /// <summary>y for x of any shape; not for linear layers.</summary>
    internal Tensor Apply(Tensor x) => Kind switch
    {
        SequentialKind.LeakyRelu => x.Relu() + Slope * x.NegativePart(),
        SequentialKind.Softplus => x.Softplus(),
        SequentialKind.Silu => x * x.Sigmoid(),
        _ => x.Activate(Fused!.Value),
    };
}
