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
    /// <summary>Of the initial log-variances of single dimensions, as in the papers' code.</summary>
    private const float InitialDeviation = 0.25f;

    private readonly Mlp _hidden;
    private readonly Linear _output;
    private readonly Linear? _variances;
    private readonly int _logVariance;
    private readonly OutputKind _kind;
    private readonly GaussianOptions? _gaussian;
    private readonly string _name;

    /// <summary>A decoder with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear decoder.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="gaussian">How Gaussian outputs are made; null for means that are the outputs themselves, one log-variance, and data that are real numbers.</param>
    /// <exception cref="GapLabException">Settings of Gaussian outputs for outputs of another kind, or fewer than two levels.</exception>
    public DenseModel(
        Device device, int latentSize, IReadOnlyList<int> hidden, int dataSize, Activation activation, OutputKind output, RandomStream stream, GaussianOptions? gaussian = null)
        : base(new ParameterSet(device))
    {
        if (gaussian is not null && (output != OutputKind.Gaussian || gaussian.Levels < 2))
            throw new GapLabException($"DenseModel: settings of Gaussian outputs, with data of two levels or more or of real numbers, do not fit {output} outputs{(gaussian.Levels is { } levels ? $" and {levels} levels" : "")}.");
        LatentSizes = [latentSize];
        _kind = output;
        _hidden = new Mlp(Parameters, "decoder", latentSize, hidden, activation, stream);
        _output = new Linear(Parameters, "decoder.output", _hidden.Outputs, dataSize, Activation.Identity, stream);
        _gaussian = gaussian;
        if (gaussian?.Variance == OutputVariance.Network)
            _variances = new Linear(Parameters, "decoder.logVariance", _hidden.Outputs, dataSize, Activation.Identity, stream);
        else if (gaussian?.Variance == OutputVariance.PerDimension)
            _logVariance = Parameters.Add("decoder.logVariance", InitialLogVariances(device, dataSize, gaussian.InitialLogVariance, stream.At(lane: Parameters.Count)));
        else if (output == OutputKind.Gaussian)
            _logVariance = Parameters.Add("decoder.logVariance", Tensor.Filled(device, new Shape(1), gaussian?.InitialLogVariance ?? 0));
        _name = $"{string.Join('-', [latentSize, .. hidden, dataSize])} {activation} {output}{Describe(gaussian)}";
    }

    /// <summary>The choice of such a decoder, for the specification of an experiment.</summary>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="hidden">The sizes of the hidden layers; none for a linear decoder.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise.</param>
    /// <param name="gaussian">How Gaussian outputs are made; null for means that are the outputs themselves, one log-variance, and data that are real numbers.</param>
    public static Component<ModelContext, GenerativeModel> Choice(
        int latentSize, IReadOnlyList<int> hidden, Activation activation, OutputKind output, GaussianOptions? gaussian = null) => new(
        "dense", revision: 1, new { latentSize, hidden, activation, output, gaussian },
        context => new DenseModel(context.Device, latentSize, hidden, context.DataSize, activation, output, context.Stream, gaussian));

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
        return _kind switch
        {
            OutputKind.Bernoulli => new Bernoulli(features, _output.Weight(Parameters), _output.Bias(Parameters)),
            OutputKind.Gaussian => Gaussian(features),
            _ => new Multinomial(_output.Forward(Parameters, features), x.Values.Sum(1)),
        };
    }

    private GaussianOutput Gaussian(Tensor features)
    {
        Tensor mean = _output.Forward(Parameters, features);
        Tensor logVariance = _variances is null ? Parameters[_logVariance] : _variances.Forward(Parameters, features) + _gaussian!.InitialLogVariance;
        return new GaussianOutput(
            _gaussian?.SigmoidMean == true ? mean.Sigmoid() : mean,
            _gaussian is null or { Variance: OutputVariance.Global } ? logVariance : logVariance.Clamp(GaussianOptions.SmallestLogVariance, GaussianOptions.LargestLogVariance),
            _gaussian?.Levels ?? 1);
    }

    private static Tensor InitialLogVariances(Device device, int dataSize, double mean, RandomStream stream)
    {
        var values = new float[dataSize];
        stream.FillNormal(values);
        return Tensor.Create(device, new Shape(dataSize), Array.ConvertAll(values, value => (float)mean + InitialDeviation * value));
    }

    private static string Describe(GaussianOptions? gaussian) => gaussian is null
        ? ""
        : string.Concat(
            gaussian.SigmoidMean ? ", sigmoid means" : "",
            gaussian.Variance switch { OutputVariance.Global => ", one variance", OutputVariance.PerDimension => ", one variance a dimension", _ => ", variances from the network" },
            gaussian.Levels is { } levels ? $", {levels} levels" : "");
}
