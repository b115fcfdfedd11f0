using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>Fully connected layers, one after the other, all with the same activation function.</summary>
public sealed class Mlp
{
    private readonly Linear[] _layers;

    /// <summary>Adds the layers' parameters to a set, as "name.0.weight", "name.0.bias", ...</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The network's name.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="hidden">The size of each layer's output; none for the identity.</param>
    /// <param name="activation">Applied to every layer's output.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public Mlp(ParameterSet parameters, string name, int inputs, IReadOnlyList<int> hidden, Activation activation, RandomStream stream)
    {
        _layers = new Linear[hidden.Count];
        Outputs = inputs;
        for (int i = 0; i < hidden.Count; i++)
        {
            _layers[i] = new Linear(parameters, $"{name}.{i}", Outputs, hidden[i], activation, stream);
            Outputs = hidden[i];
        }
    }

    /// <summary>The size of the output.</summary>
    public int Outputs { get; }

    /// <summary>The output [..., Outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the network belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x)
    {
        foreach (Linear layer in _layers)
            x = layer.Forward(parameters, x);
        return x;
    }
}
