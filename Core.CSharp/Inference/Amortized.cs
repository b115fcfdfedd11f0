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
    private readonly Mlp _hidden;
    private readonly Linear[] _heads;
    private readonly string _name;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear encoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public Amortized(VariationalFamily family, Device device, int dataSize, IReadOnlyList<int> hidden, Activation activation, RandomStream stream)
        : base(new ParameterSet(device))
    {
        _hidden = new Mlp(Parameters, "encoder", dataSize, hidden, activation, stream);
        _heads = new Linear[family.LocalBlocks.Count];
        for (int i = 0; i < _heads.Length; i++)
            _heads[i] = new Linear(Parameters, $"encoder.{family.LocalBlocks[i].Name}", _hidden.Outputs, family.LocalBlocks[i].Size, Activation.Identity, stream);
        _name = $"{string.Join('-', [dataSize, .. hidden])}-{string.Join('+', family.LocalBlocks.Select(block => block.Size))} {activation}";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment.</summary>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear encoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(IReadOnlyList<int> hidden, Activation activation) => new(
        "amortized", revision: 1, new { hidden, activation },
        context => new Amortized(context.Family, context.Model.Device, context.DataSize, hidden, activation, context.Stream));

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
        if (x is not DenseObservations dense)
            throw new ShapeException($"The encoder reads vectors of numbers, not {x.GetType().Name}.");
        Tensor features = _hidden.Forward(Parameters, dense.Values);
        return new LocalParameters([.. _heads.Select(head => head.Forward(Parameters, features))]);
    }
}
