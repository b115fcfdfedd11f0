using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// A residual block of images of one size (He et al. 2016): y = ReLU(N(W₂ * ReLU(N(W₁ * x))) + c(x)) with kernels of 3 x 3 pixels, batch normalisation N, and c the identity where input and output have as
/// many channels, else a 1 x 1 convolution.
/// </summary>
public sealed class ResidualBlock
{
    private readonly Conv2d _first;
    private readonly Conv2d _second;
    private readonly BatchNorm _firstNorm;
    private readonly BatchNorm _secondNorm;
    private readonly Conv2d? _projection;

    /// <summary>Adds a block's parameters to a set, as "name.0.weight", "name.0.norm.scale", ..., "name.1.weight", ..., "name.projection.weight", ...</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The block's name.</param>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="stream">The source of the initial values.</param>
    public ResidualBlock(ParameterSet parameters, string name, int inputs, int outputs, RandomStream stream)
    {
        _first = Layer("0", inputs, 3, hasBias: false);
        _firstNorm = new BatchNorm(parameters, $"{name}.0.norm", outputs);
        _second = Layer("1", outputs, 3, hasBias: false);
        _secondNorm = new BatchNorm(parameters, $"{name}.1.norm", outputs);
        if (inputs != outputs)
            _projection = Layer("projection", inputs, 1, hasBias: true);

        Conv2d Layer(string part, int from, int size, bool hasBias) =>
            new(parameters, $"{name}.{part}", from, outputs, size, size, 1, size / 2, Activation.Identity, stream, hasBias);
    }

    /// <summary>y [B, H, W, outputs] for x [B, H, W, inputs].</summary>
    /// <param name="parameters">The set the block belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <param name="isTraining">Whether batch normalisation takes the batch's own statistics, see <see cref="BatchNorm.Forward"/>.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining)
    {
        Tensor inner = _firstNorm.Forward(parameters, _first.Forward(parameters, x), isTraining).Relu();
        Tensor outer = _secondNorm.Forward(parameters, _second.Forward(parameters, inner), isTraining);
        return (outer + (_projection?.Forward(parameters, x) ?? x)).Relu();
    }
}
