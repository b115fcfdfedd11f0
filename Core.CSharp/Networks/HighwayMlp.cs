using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// Fully connected layers that carry part of their input on (Srivastava, Greff and Schmidhuber 2015):
/// <code>
/// y = g ⊙ c(x) + (1 - g) ⊙ activation(W x + b),  g = σ(W_g x + b_g)
/// </code>
/// c is the identity where input and output have one size, else a linear map. With batch normalisation it is W x + b that is normalised, not the gate or what is carried.
/// </summary>
public sealed class HighwayMlp
{
    private readonly Layer[] _layers;

    /// <summary>Adds the layers' parameters to a set, as "name.0.weight", "name.0.gate.weight", "name.0.carry.weight", ...</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The network's name.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="hidden">The size of each layer's output; none for the identity.</param>
    /// <param name="activation">Applied to what is not carried.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="batchNormalization">Whether every layer normalises its batch before the activation, see <see cref="BatchNorm"/>.</param>
    public HighwayMlp(
        ParameterSet parameters, string name, int inputs, IReadOnlyList<int> hidden, Activation activation, RandomStream stream, bool batchNormalization = false)
    {
        _layers = new Layer[hidden.Count];
        Outputs = inputs;
        for (int i = 0; i < hidden.Count; i++)
        {
            Linear Of(string part) => new(parameters, $"{name}.{i}{part}", Outputs, hidden[i], Activation.Identity, stream);
            var value = new HiddenLayer(parameters, $"{name}.{i}", Outputs, hidden[i], activation, stream, batchNormalization);
            _layers[i] = new Layer(value, Of(".gate"), Outputs == hidden[i] ? null : Of(".carry"));
            Outputs = hidden[i];
        }
    }

    /// <summary>The size of the output.</summary>
    public int Outputs { get; private set; }

    /// <summary>The output [..., Outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the network belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <param name="isTraining">Whether batch normalisation takes the batch's own statistics, see <see cref="BatchNorm.Forward"/>.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining = false)
    {
        foreach (Layer layer in _layers)
        {
            Tensor value = layer.Value.Forward(parameters, x, isTraining);
            Tensor carried = layer.Carry?.Forward(parameters, x) ?? x;
            x = value + layer.Gate.Forward(parameters, x).Sigmoid() * (carried - value);
        }
        return x;
    }

    private readonly record struct Layer(HiddenLayer Value, Linear Gate, Linear? Carry);
}
