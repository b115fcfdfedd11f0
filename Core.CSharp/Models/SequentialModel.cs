using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// A decoder of any fully connected modules: p(z) = N(0, I), a <see cref="SequentialNetwork"/> from z to p(x | z). Its parameters have the names and shapes that PyTorch gives those of
/// an <c>nn.Sequential</c>, so that a model that was trained there can be measured here.
/// </summary>
public sealed class SequentialModel : GenerativeModel
{
    private readonly SequentialNetwork _network;
    private readonly Linear? _logits;
    private readonly Tensor _logVariance;
    private readonly int _dataSize;

    /// <summary>A decoder with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="prefix">What goes before the numbers of modules in the names of parameters.</param>
    /// <param name="modules">
    /// The modules. Bernoulli outputs need logits: the last module is linear, or a sigmoid after a linear one, which is then what makes probabilities of logits.
    /// </param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="output">What the outputs parametrise: Bernoulli or Gaussian.</param>
    /// <param name="logVariance">Of Gaussian outputs, log σ² of all dimensions; null where the network gives [mean, log σ²], 2 D numbers.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">The last module has another number of outputs.</exception>
    /// <exception cref="GapLabException">The modules do not end in logits, or the outputs are of another kind.</exception>
    public SequentialModel(
        Device device, int latentSize, string prefix, IReadOnlyList<SequentialModule> modules, int dataSize, OutputKind output, double? logVariance, RandomStream stream)
        : base(new ParameterSet(device))
    {
        LatentSizes = [latentSize];
        _dataSize = dataSize;
        int outputs = SequentialNetwork.OutputsOf(latentSize, modules), needed = OutputsFor(dataSize, output, logVariance);
        if (outputs != needed)
            throw new ShapeException($"SequentialModel: the modules have {outputs} outputs, but {output} outputs for data of {dataSize} numbers take {needed}.");
        if (output == OutputKind.Bernoulli)
        {
            int last = LogitsOf(modules) ?? throw new GapLabException(
                "SequentialModel: Bernoulli outputs need modules that end in a linear layer, or in one and a sigmoid.");
            _network = new SequentialNetwork(Parameters, prefix, latentSize, [.. modules.Take(last)], stream);
            _logits = new Linear(Parameters, SequentialNetwork.NameOf(prefix, last), _network.Outputs, dataSize, Activation.Identity, stream);
        }
        else
        {
            _network = new SequentialNetwork(Parameters, prefix, latentSize, modules, stream);
            if (logVariance is { } value)
                _logVariance = Tensor.Filled(device, new Shape(1), value).ToOwned();
        }
        string variance = output == OutputKind.Bernoulli ? "" : logVariance is { } given ? $", log-variance {given}" : ", variances from the network";
        Name = $"{latentSize}-{string.Join(", ", modules)}, {output}{variance}";
    }

    /// <summary>The choice of such a decoder, for the specification of an experiment.</summary>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="prefix">What goes before the numbers of modules in the names of parameters.</param>
    /// <param name="modules">The modules.</param>
    /// <param name="output">What the outputs parametrise: Bernoulli or Gaussian.</param>
    /// <param name="logVariance">Of Gaussian outputs, log σ² of all dimensions; null where the network gives it.</param>
    public static Component<ModelContext, GenerativeModel> Choice(
        int latentSize, string prefix, IReadOnlyList<SequentialModule> modules, OutputKind output, double? logVariance = null) => new(
        "sequential", revision: 1, new { latentSize, prefix, modules = modules.Select(module => module.ToString()), output, logVariance },
        context => new SequentialModel(context.Device, latentSize, prefix, modules, context.DataSize, output, logVariance, context.Stream));

    /// <summary>How many numbers the network gives for each datapoint.</summary>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="output">What the outputs parametrise.</param>
    /// <param name="logVariance">Of Gaussian outputs, log σ²; null where the network gives it.</param>
    /// <exception cref="GapLabException">The outputs are neither Bernoulli nor Gaussian.</exception>
    public static int OutputsFor(int dataSize, OutputKind output, double? logVariance) => output switch
    {
        OutputKind.Bernoulli => dataSize,
        OutputKind.Gaussian => logVariance is null ? 2 * dataSize : dataSize,
        _ => throw new GapLabException($"SequentialModel: outputs must be Bernoulli or Gaussian, not {output}."),
    };

    /// <summary>The position of the linear layer whose outputs are logits: the last module, or the one before a last sigmoid; null if there is none.</summary>
    /// <param name="modules">The modules.</param>
    public static int? LogitsOf(IReadOnlyList<SequentialModule> modules)
    {
        int last = modules.Count - (modules.Count > 0 && modules[^1].Kind == SequentialKind.Sigmoid ? 2 : 1);
        return last >= 0 && modules[last].Kind == SequentialKind.Linear ? last : null;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above) => DiagonalGaussian.Standard(Device, LatentSizes[level]);

    /// <inheritdoc/>
    public override OutputDistribution Output(Latents z, Observations x)
    {
        Tensor features = _network.Forward(Parameters, z[0]);
        if (_logits is not null)
            return new Bernoulli(features, _logits.Weight(Parameters), _logits.Bias(Parameters));
        return _logVariance.IsDefined
            ? new GaussianOutput(features, _logVariance)
            : new GaussianOutput(features.Columns(0, _dataSize), features.Columns(_dataSize, _dataSize));
    }
}
