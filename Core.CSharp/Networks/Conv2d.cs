using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>A convolution of images, y = activation(x * w + b), with kernels w [outputs, height, width, inputs] and zeros around the images.</summary>
public sealed class Conv2d
{
    private readonly int _weight;
    private readonly int? _bias;
    private readonly int _stride;
    private readonly Padding _padding;
    private readonly Activation _activation;

    /// <summary>Adds a layer's parameters to a set, uniform on ±1 / √(height · width · inputs).</summary>
    /// <param name="parameters">The set; "name.weight" and "name.bias" join it.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="height">Rows of a kernel.</param>
    /// <param name="width">Columns of a kernel.</param>
    /// <param name="stride">How far the kernel moves from one output to the next.</param>
    /// <param name="padding">Zeros around the images.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <param name="stream">The source of the initial values.</param>
    /// <param name="hasBias">Whether there are biases; batch normalisation after the layer makes them useless.</param>
    public Conv2d(
        ParameterSet parameters, string name, int inputs, int outputs, int height, int width, int stride, Padding padding, Activation activation, RandomStream stream, bool hasBias = true)
    {
        _stride = stride;
        _padding = padding;
        _activation = activation;
        int fan = height * width * inputs;
        _weight = parameters.Add($"{name}.weight", Initialization.FanInUniform(parameters, stream, new Shape(outputs, height, width, inputs), fan));
        if (hasBias)
            _bias = parameters.Add($"{name}.bias", Initialization.FanInUniform(parameters, stream, new Shape(outputs), fan));
    }

    /// <summary>y [B, H', W', outputs] for x [B, H, W, inputs].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <exception cref="ShapeException">The images have other channels, or are smaller than the kernels.</exception>
    public Tensor Forward(ParameterSet parameters, Tensor x) =>
        x.Conv2d(parameters[_weight], _bias is { } bias ? parameters[bias] : default, _stride, _padding, _activation);
}
