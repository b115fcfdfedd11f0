using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>The hidden layers of a network whose settings say whether they are highway layers (<see cref="HighwayMlp"/>) or plain ones (<see cref="Mlp"/>).</summary>
public sealed class HiddenLayers
{
    private readonly Mlp? _plain;
    private readonly HighwayMlp? _highway;

    /// <summary>Adds the layers' parameters to a set.</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The network's name.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="hidden">The size of each layer's output; none for the identity.</param>
    /// <param name="activation">The layers' activation.</param>
    /// <param name="highway">Whether layers carry part of their input on.</param>
    /// <param name="batchNormalization">Whether every layer normalises its batch before the activation, see <see cref="BatchNorm"/>.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public HiddenLayers(
        ParameterSet parameters, string name, int inputs, IReadOnlyList<int> hidden, Activation activation, bool highway, bool batchNormalization, RandomStream stream)
    {
        if (highway)
            _highway = new HighwayMlp(parameters, name, inputs, hidden, activation, stream, batchNormalization);
        else
            _plain = new Mlp(parameters, name, inputs, hidden, activation, stream, batchNormalization);
    }

    /// <summary>The size of the output.</summary>
    public int Outputs => _highway?.Outputs ?? _plain!.Outputs;

    /// <summary>The output [..., Outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the network belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <param name="isTraining">Whether batch normalisation takes the batch's own statistics, see <see cref="BatchNorm.Forward"/>.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining) =>
        _highway?.Forward(parameters, x, isTraining) ?? _plain!.Forward(parameters, x, isTraining);
}
