using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>A fully connected layer, y = activation(x Wᵀ + b), with W [outputs, inputs] as other frameworks store it.</summary>
public sealed class Linear
{
    private readonly int _weight;
    private readonly int _bias;
    private readonly Activation _activation;

    /// <summary>Adds a layer's parameters to a set; biases are zeros.</summary>
    /// <param name="parameters">The set; "name.weight" and "name.bias" join it.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">The size of x.</param>
    /// <param name="outputs">The size of y.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="initialization">What the initial weights are drawn from.</param>
    public Linear(
        ParameterSet parameters, string name, int inputs, int outputs, Activation activation, RandomStream stream,
        LinearInitialization initialization = LinearInitialization.GlorotUniform)
    {
        _activation = activation;
        _weight = parameters.Add($"{name}.weight", initialization == LinearInitialization.HeNormal
            ? Initialization.HeNormal(parameters, stream, outputs, inputs)
            : Initialization.GlorotUniform(parameters, stream, outputs, inputs));
        _bias = parameters.Add($"{name}.bias", Tensor.Filled(parameters.Device, new Shape(outputs), 0));
    }

    /// <summary>W [outputs, inputs] among the given values.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    public Tensor Weight(ParameterSet parameters) => parameters[_weight];

    /// <summary>b [outputs] among the given values.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    public Tensor Bias(ParameterSet parameters) => parameters[_bias];

    /// <summary>y [..., outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x) => x.Linear(parameters[_weight], parameters[_bias], _activation);
}
