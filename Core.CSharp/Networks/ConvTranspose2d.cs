using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// A transposed convolution of images, which enlarges them by its stride: y = activation(wᵀ * x + b), with kernels w [inputs, height, width, outputs].
/// </summary>
public sealed class ConvTranspose2d
{
    private readonly int _weight;
    private readonly int? _bias;
    private readonly int _stride;
    private readonly int _outputPadding;
    private readonly Padding _padding;
    private readonly Activation _activation;

    /// <summary>Adds a layer's parameters to a set, uniform on ±1 / √(height · width · outputs).</summary>
    /// <param name="parameters">The set; "name.weight" and "name.bias" join it.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="height">Rows of a kernel.</param>
    /// <param name="width">Columns of a kernel.</param>
    /// <param name="stride">How far apart the kernel's copies lie in y.</param>
    /// <param name="padding">Rows and columns that y loses.</param>
    /// <param name="outputPadding">Rows and columns that y gains below and on the right.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <param name="stream">The source of the initial values.</param>
    /// <param name="hasBias">Whether there are biases; batch normalisation after the layer makes them useless.</param>
    public ConvTranspose2d(
        ParameterSet parameters, string name, int inputs, int outputs, int height, int width, int stride, Padding padding, int outputPadding, Activation activation, RandomStream stream,
        bool hasBias = true)
    {
        _stride = stride;
        _padding = padding;
        _outputPadding = outputPadding;
        _activation = activation;
        // The fan of the convolution that this one is the transposed of, as PyTorch takes it.
        int fan = height * width * outputs;
        _weight = parameters.Add($"{name}.weight", Initialization.FanInUniform(parameters, stream, new Shape(inputs, height, width, outputs), fan));
        if (hasBias)
            _bias = parameters.Add($"{name}.bias", Initialization.FanInUniform(parameters, stream, new Shape(outputs), fan));
    }

    /// <summary>y [B, H', W', outputs] for x [B, H, W, inputs].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <exception cref="ShapeException">The images have other channels, or nothing is left of them.</exception>
    public Tensor Forward(ParameterSet parameters, Tensor x) =>
        x.ConvTranspose2d(parameters[_weight], _bias is { } bias ? parameters[bias] : default, _stride, _padding, _outputPadding, _activation);
}
