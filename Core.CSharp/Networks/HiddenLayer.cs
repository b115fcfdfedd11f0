using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>A fully connected hidden layer, y = activation(N(W x + b)), where N is batch normalisation or nothing.</summary>
internal sealed class HiddenLayer
{
    private readonly Linear _linear;
    private readonly BatchNorm? _norm;
    private readonly Activation _activation;

    /// <summary>Adds the layer's parameters to a set, as "name.weight" and "name.bias" and, with batch normalisation, "name.norm.scale", ...</summary>
    public HiddenLayer(ParameterSet parameters, string name, int inputs, int outputs, Activation activation, RandomStream stream, bool batchNormalization)
    {
        _linear = new Linear(parameters, name, inputs, outputs, batchNormalization ? Activation.Identity : activation, stream);
        _norm = batchNormalization ? new BatchNorm(parameters, $"{name}.norm", outputs) : null;
        _activation = activation;
    }

    /// <summary>y [..., outputs] for x [..., inputs].</summary>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining)
    {
        Tensor y = _linear.Forward(parameters, x);
        return _norm is null ? y : _norm.Forward(parameters, y, isTraining).Activate(_activation);
    }
}
