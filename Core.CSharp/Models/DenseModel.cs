using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// The decoder of a plain variational autoencoder: p(z) = N(0, I), a fully connected network from z to p(x | z).
/// </summary>
public sealed class DenseModel : GenerativeModel
{
    private readonly Mlp _hidden;
    private readonly Linear _output;
    private readonly int _logVariance;
    private readonly OutputKind _kind;
    private readonly string _name;

    /// <summary>A decoder with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear decoder.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public DenseModel(Device device, int latentSize, IReadOnlyList<int> hidden, int dataSize, Activation activation, OutputKind output, RandomStream stream)
        : base(new ParameterSet(device))
    {
        LatentSizes = [latentSize];
        _kind = output;
        _hidden = new Mlp(Parameters, "decoder", latentSize, hidden, activation, stream);
        _output = new Linear(Parameters, "decoder.output", _hidden.Outputs, dataSize, Activation.Identity, stream);
        if (output == OutputKind.Gaussian)
            _logVariance = Parameters.Add("decoder.logVariance", Tensor.Filled(device, new Shape(1), 0));
        _name = $"{string.Join('-', [latentSize, .. hidden, dataSize])} {activation} {output}";
    }

    /// <summary>The choice of such a decoder, for the specification of an experiment.</summary>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear decoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise.</param>
    public static Component<ModelContext, GenerativeModel> Choice(int latentSize, IReadOnlyList<int> hidden, Activation activation, OutputKind output) => new(
        "dense", revision: 1, new { latentSize, hidden, activation, output },
        context => new DenseModel(context.Device, latentSize, hidden, context.DataSize, activation, output, context.Stream));

    /// <inheritdoc/>
    public override string Name => _name;

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above) => DiagonalGaussian.Standard(Device, LatentSizes[level]);

    /// <inheritdoc/>
    public override OutputDistribution Output(Latents z, Observations x)
    {
        Tensor features = _hidden.Forward(Parameters, z[0]);
        return _kind == OutputKind.Bernoulli
            ? new Bernoulli(features, _output.Weight(Parameters), _output.Bias(Parameters))
            : new GaussianOutput(_output.Forward(Parameters, features), Parameters[_logVariance]);
    }
}
