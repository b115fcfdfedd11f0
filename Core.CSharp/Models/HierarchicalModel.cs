using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// A hierarchy of latent Gaussians, z_L → ... → z_1 → x (Marino et al. 2018, section 4.1): p(z_L) = N(0, I), and one network for every level, which reads [z_l, d_l] and gives the
/// distribution of what lies below:
/// <code>
/// h_l = network_l([z_l, d_l]),  p(z_{l-1} | z_l, ...) = N(W_μ h_l + b_μ, exp(c tanh((W_v h_l + b_v) / c))),  d_{l-1} = W_d h_l + b_d
/// </code>
/// and p(x | z) at the bottom. d_l are deterministic units, which carry what the levels above say past z_l; the top has none. c bounds the log-variances of the priors, so that no z far
/// out makes a density overflow. With constant prior variances the log-variances are free parameters instead, one for each variable.
/// </summary>
/// <remarks>
/// Level 0 of the code is z_1, nearest to the data. Without hidden layers, with constant prior variances and Gaussian outputs the model is a chain of linear-Gaussian steps.
/// </remarks>
public sealed class HierarchicalModel : GenerativeModel
{
    private readonly HiddenLayers[] _readers;
    private readonly Below[] _below;
    private readonly Linear _output;
    private readonly int _outputLogVariance;
    private readonly OutputKind _kind;
    private readonly double _logVarianceBound;

    /// <summary>A hierarchy with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="latentSizes">The size of every level, from the one nearest to the data upwards.</param>
    /// <param name="layers">For every level, the hidden layers of the network that reads it, and the deterministic units beside it.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise; Gaussians share one learnt log-variance.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on, see <see cref="HighwayMlp"/>.</param>
    /// <param name="batchNormalization">Whether hidden layers normalise their batch in training, see <see cref="BatchNorm"/>: over datapoints and samples.</param>
    /// <param name="constantPriorVariances">Whether the variances of the priors below the top are learnt constants, instead of functions of the levels above.</param>
    /// <param name="logVarianceBound">c, positive.</param>
    /// <exception cref="ShapeException">There is no level, not one entry of layers for each, or the top has deterministic units.</exception>
    /// <exception cref="GapLabException">The bound is not positive, or the outputs are of another kind than Bernoulli and Gaussian.</exception>
    public HierarchicalModel(
        Device device, IReadOnlyList<int> latentSizes, IReadOnlyList<LevelLayers> layers, int dataSize, Activation activation, OutputKind output, RandomStream stream,
        bool highway = false, bool batchNormalization = false, bool constantPriorVariances = false, double logVarianceBound = 7)
        : base(new ParameterSet(device))
    {
        LevelLayers.Require("HierarchicalModel", layers, latentSizes.Count);
        if (output is not (OutputKind.Bernoulli or OutputKind.Gaussian))
            throw new GapLabException($"HierarchicalModel: outputs of the kind {output} are not supported; use Bernoulli or Gaussian ones.");
        if (!(logVarianceBound > 0))
            throw new GapLabException($"HierarchicalModel: the bound of the log-variances must be positive, not {logVarianceBound}.");
        LatentSizes = [.. latentSizes];
        _kind = output;
        _logVarianceBound = logVarianceBound;
        _readers = new HiddenLayers[latentSizes.Count];
        _below = new Below[latentSizes.Count - 1];
        for (int level = latentSizes.Count - 1; level >= 0; level--)
        {
            var reader = new HiddenLayers(
                Parameters, $"decoder.level{level}", latentSizes[level] + layers[level].Deterministic, layers[level].Hidden, activation, highway, batchNormalization, stream);
            _readers[level] = reader;
            if (level == 0)
                break;
            int size = latentSizes[level - 1], deterministic = layers[level - 1].Deterministic;
            Linear Map(string part, int outputs) => new(Parameters, $"prior.level{level - 1}.{part}", reader.Outputs, outputs, Activation.Identity, stream);
            Linear mean = Map("mean", size);
            Linear? logVariance = constantPriorVariances ? null : Map("logVariance", size);
            int constant = constantPriorVariances ? Parameters.Add($"prior.level{level - 1}.logVariance", Tensor.Filled(device, new Shape(size), 0)) : -1;
            _below[level - 1] = new Below(mean, logVariance, constant, deterministic > 0 ? Map("deterministic", deterministic) : null);
        }
        _output = new Linear(Parameters, "decoder.output", _readers[0].Outputs, dataSize, Activation.Identity, stream);
        if (output == OutputKind.Gaussian)
            _outputLogVariance = Parameters.Add("decoder.logVariance", Tensor.Filled(device, new Shape(1), 0));
        string sizes = string.Join('-', Enumerable.Range(0, latentSizes.Count).Reverse().SelectMany(level => (string[])
            [$"[{latentSizes[level]}{(layers[level].Deterministic > 0 ? $"+{layers[level].Deterministic}" : "")}]", .. layers[level].Hidden.Select(size => $"{size}")]));
        Name = $"hierarchy {sizes}-{dataSize} {activation} {output}{(highway ? ", highway" : "")}{(batchNormalization ? ", batch normalisation" : "")}{(constantPriorVariances ? ", constant prior variances" : "")}";
    }

    /// <summary>The choice of such a hierarchy, for the specification of an experiment.</summary>
    /// <param name="latentSizes">The size of every level, from the one nearest to the data upwards.</param>
    /// <param name="layers">For every level, the hidden layers of the network that reads it, and the deterministic units beside it.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="output">What the outputs parametrise.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on.</param>
    /// <param name="batchNormalization">Whether hidden layers normalise their batch in training.</param>
    /// <param name="constantPriorVariances">Whether the variances of the priors below the top are learnt constants.</param>
    /// <param name="logVarianceBound">c, the bound of the priors' log-variances.</param>
    public static Component<ModelContext, GenerativeModel> Choice(
        IReadOnlyList<int> latentSizes, IReadOnlyList<LevelLayers> layers, Activation activation, OutputKind output,
        bool highway = false, bool batchNormalization = false, bool constantPriorVariances = false, double logVarianceBound = 7) => new(
        "hierarchical", revision: 1, new { latentSizes, layers, activation, output, highway, batchNormalization, constantPriorVariances, logVarianceBound },
        context => new HierarchicalModel(
            context.Device, latentSizes, layers, context.DataSize, activation, output, context.Stream, highway, batchNormalization, constantPriorVariances, logVarianceBound));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above)
    {
        if (level == LatentSizes.Count - 1)
            return DiagonalGaussian.Standard(Device, LatentSizes[level]);
        // Down from the lowest level whose network depends on nothing but z.
        int start = level + 1;
        while (start < _below.Length && _below[start].Deterministic is not null)
            start++;
        Tensor features = Read(start, above[start - level - 1], default);
        for (int i = start - 1; i > level; i--)
            features = Read(i, above[i - level - 1], features);
        return PriorOf(level, features);
    }

    /// <inheritdoc/>
    public override OutputDistribution Output(Latents z, Observations x) => Factors(z, x).Output;

    /// <inheritdoc/>
    public override IReadOnlyList<LatentDistribution> Priors(Latents z) => Descend(z, to: 1).Priors;

    /// <inheritdoc/>
    public override (IReadOnlyList<LatentDistribution> Priors, OutputDistribution Output) Factors(Latents z, Observations x)
    {
        (LatentDistribution[] priors, Tensor features) = Descend(z, to: 0);
        return (priors, _kind == OutputKind.Bernoulli
            ? new Bernoulli(features, _output.Weight(Parameters), _output.Bias(Parameters))
            : new GaussianOutput(_output.Forward(Parameters, features), Parameters[_outputLogVariance]));
    }

    /// <summary>Reads the levels from the top to a given one: the priors of all levels, and the features of the last network.</summary>
    private (LatentDistribution[] Priors, Tensor Features) Descend(Latents z, int to)
    {
        var priors = new LatentDistribution[LatentSizes.Count];
        priors[^1] = DiagonalGaussian.Standard(Device, LatentSizes[^1]);
        Tensor features = default;
        for (int level = priors.Length - 1; level >= to; level--)
        {
            features = Read(level, z[level], features);
            if (level > 0)
                priors[level - 1] = PriorOf(level - 1, features);
        }
        return (priors, features);
    }

    /// <summary>The features of the network that reads a level.</summary>
    /// <param name="level">Which.</param>
    /// <param name="z">z of the level.</param>
    /// <param name="above">The features of the level above; not used where the level has no deterministic units.</param>
    private Tensor Read(int level, Tensor z, Tensor above)
    {
        Linear? deterministic = level < _below.Length ? _below[level].Deterministic : null;
        return _readers[level].Forward(Parameters, deterministic is null ? z : Tensor.Concatenate(z, deterministic.Forward(Parameters, above)), IsTraining);
    }

    private DiagonalGaussian PriorOf(int level, Tensor features)
    {
        Below below = _below[level];
        return new DiagonalGaussian(
            below.Mean.Forward(Parameters, features),
            below.LogVariance is null
                ? Parameters[below.ConstantLogVariance]
                : (below.LogVariance.Forward(Parameters, features) / _logVarianceBound).Tanh() * _logVarianceBound);
    }

    /// <summary>What a network's features are mapped to: the prior of the level below, and its deterministic units.</summary>
    private readonly record struct Below(Linear Mean, Linear? LogVariance, int ConstantLogVariance, Linear? Deterministic);
}
