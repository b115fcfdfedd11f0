using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference: one network maps x to λ₀, and that is the answer. Fully connected hidden layers, then one linear map for each
/// block of the family's λ.
/// </summary>
public sealed class Amortized : InferenceMethod
{
    private readonly HiddenLayers _hidden;
    private readonly Linear[] _heads;
    private readonly string _name;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear encoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on, see <see cref="HighwayMlp"/>.</param>
    public Amortized(
        VariationalFamily family, Device device, int dataSize, IReadOnlyList<int> hidden, Activation activation, RandomStream stream, bool highway = false)
        : base(new ParameterSet(device))
    {
        _hidden = new HiddenLayers(Parameters, "encoder", dataSize, hidden, activation, highway, batchNormalization: false, stream);
        _heads = new Linear[family.LocalBlocks.Count];
        for (int i = 0; i < _heads.Length; i++)
            _heads[i] = new Linear(Parameters, $"encoder.{family.LocalBlocks[i].Name}", _hidden.Outputs, family.LocalBlocks[i].Size, Activation.Identity, stream);
        _name = $"{string.Join('-', [dataSize, .. hidden])}-{string.Join('+', family.LocalBlocks.Select(block => block.Size))} {activation}{(highway ? " highway" : "")}";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment.</summary>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear encoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(IReadOnlyList<int> hidden, Activation activation, bool highway = false) => new(
        "amortized", revision: 1, new { hidden, activation, highway = highway ? true : (bool?)null },
        context => new Amortized(context.Family, context.Model.Device, context.DataSize, hidden, activation, context.Stream, highway));

    /// <inheritdoc/>
    public override string Name => _name;

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        new(Encode(x));

    /// <summary>λ₀ of a batch.</summary>
    /// <param name="x">The batch.</param>
    /// <exception cref="ShapeException">The data are not vectors of the encoder's size.</exception>
    public LocalParameters Encode(Observations x)
    {
        Tensor features = _hidden.Forward(Parameters, x.Features, IsTraining);
        return new LocalParameters([.. _heads.Select(head => head.Forward(Parameters, features))]);
    }
}
