using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>Fully connected layers, one after the other, all with the same activation function, with or without batch normalisation.</summary>
public sealed class Mlp
{
    private readonly HiddenLayer[] _layers;

    /// <summary>Adds the layers' parameters to a set, as "name.0.weight", "name.0.bias", ...</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The network's name.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="hidden">The size of each layer's output; none for the identity.</param>
    /// <param name="activation">Applied to every layer's output.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="batchNormalization">Whether every layer normalises its batch before the activation, see <see cref="BatchNorm"/>.</param>
    public Mlp(
        ParameterSet parameters, string name, int inputs, IReadOnlyList<int> hidden, Activation activation, RandomStream stream, bool batchNormalization = false)
    {
        _layers = new HiddenLayer[hidden.Count];
        Outputs = inputs;
        for (int i = 0; i < hidden.Count; i++)
        {
            _layers[i] = new HiddenLayer(parameters, $"{name}.{i}", Outputs, hidden[i], activation, stream, batchNormalization);
            Outputs = hidden[i];
        }
    }

    /// <summary>The size of the output.</summary>
    public int Outputs { get; }

    /// <summary>The output [..., Outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the network belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <param name="isTraining">Whether batch normalisation takes the batch's own statistics, see <see cref="BatchNorm.Forward"/>.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining = false)
    {
        foreach (HiddenLayer layer in _layers)
            x = layer.Forward(parameters, x, isTraining);
        return x;
    }
}
