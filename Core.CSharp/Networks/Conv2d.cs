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

    /// <summary>w [outputs, height, width, inputs] among the given values.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    public Tensor Weight(ParameterSet parameters) => parameters[_weight];

    /// <summary>b [outputs] among the given values; undefined where there are no biases.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    public Tensor Bias(ParameterSet parameters) => _bias is { } bias ? parameters[bias] : default;

    /// <summary>y [B, H', W', outputs] for x [B, H, W, inputs].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <exception cref="ShapeException">The images have other channels, or are smaller than the kernels.</exception>
    public Tensor Forward(ParameterSet parameters, Tensor x)
    {
        Tensor weight = Weight(parameters), bias = Bias(parameters);
        // A linear map of every pixel is a single product.
        return bias.IsDefined && _stride == 1 && _padding == 0 && weight.Shape[1] == 1 && weight.Shape[2] == 1
            ? x.Linear(weight.Reshape(weight.Shape[0], weight.Shape[3]), bias, _activation)
            : x.Conv2d(weight, bias, _stride, _padding, _activation);
    }

    /// <summary>
    /// y [B · S, H', W', outputs] for S inputs of each of B datapoints that have their first channels in common: the same as for the inputs put together, but what they have in common
    /// is neither copied nor convolved S times.
    /// </summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="shared">The first channels [B, H, W, c].</param>
    /// <param name="own">The other channels [B · S, H, W, inputs - c].</param>
    /// <exception cref="ShapeException">The images do not fit together, have other channels, or are smaller than the kernels.</exception>
    public Tensor Forward(ParameterSet parameters, Tensor shared, Tensor own)
    {
        Tensor weight = Weight(parameters);
        int batch = shared.Shape[0], first = shared.Shape[-1], inputs = weight.Shape[3];
        if (batch == 0 || own.Shape[0] % batch != 0 || first + own.Shape[-1] != inputs)
            throw new ShapeException($"Conv2d: images of shape {shared.Shape} and {own.Shape} (datapoints, height, width, channels) do not make up inputs of {inputs} channels.");
        Tensor common = shared.Conv2d(weight.Columns(0, first), Bias(parameters), _stride, _padding);
        Tensor rest = own.Conv2d(weight.Columns(first, inputs - first), default, _stride, _padding);
        int pixels = common.Count / batch;
        return (common.Reshape(batch, 1, pixels) + rest.Reshape(batch, own.Shape[0] / batch, pixels)).Reshape(rest.Shape).Activate(_activation);
    }
}
