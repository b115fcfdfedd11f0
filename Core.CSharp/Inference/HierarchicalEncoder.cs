using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference of a hierarchy, bottom-up: one network for every level, of which the first reads x and each other one the deterministic units and the means μ of the level below. It is
/// the standard inference model of Marino et al. 2018, and with <see cref="LadderGaussian"/> the bottom-up pass of a ladder VAE. It never sees how well the levels above agree with those
/// below; iterative inference does.
/// </summary>
public sealed class HierarchicalEncoder : InferenceMethod
{
    private readonly InferenceStage[] _stages;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces, with means at every level.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="layers">The hidden layers of every level and the deterministic units that it passes upwards.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on, see <see cref="HighwayMlp"/>.</param>
    /// <param name="batchNormalization">Whether hidden layers normalise their batch in training, see <see cref="BatchNorm"/>.</param>
    /// <exception cref="ShapeException">Layers for another number of levels than the family has, or deterministic units at the top.</exception>
    /// <exception cref="GapLabException">A level of the family has no means.</exception>
    public HierarchicalEncoder(
        VariationalFamily family, Device device, int dataSize, IReadOnlyList<LevelLayers> layers, Activation activation, RandomStream stream,
        bool highway = false, bool batchNormalization = false)
        : base(new ParameterSet(device))
    {
        _stages = InferenceStage.OfLevels(
            "HierarchicalEncoder", Parameters, "encoder", layers, new InferenceStage.Kind(activation, highway, batchNormalization), family, level => level == 0 ? dataSize : 0, stream);
        Name = $"bottom-up {dataSize}-{string.Join("-", layers.Select((level, l) => Describe(family, level, l)))} {activation}{(highway ? ", highway" : "")}{(batchNormalization ? ", batch normalisation" : "")}";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment.</summary>
    /// <param name="layers">The hidden layers of every level and the deterministic units that it passes upwards.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="highway">Whether hidden layers carry part of their input on.</param>
    /// <param name="batchNormalization">Whether hidden layers normalise their batch in training.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(
        IReadOnlyList<LevelLayers> layers, Activation activation, bool highway = false, bool batchNormalization = false) => new(
        "hierarchical-encoder", revision: 1, new { layers, activation, highway, batchNormalization },
        context => new HierarchicalEncoder(
            context.Family, context.Model.Device, context.DataSize, layers, activation, context.Stream, highway, batchNormalization));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        var lambda = new Tensor[family.LocalBlocks.Count];
        Tensor input = x.Features;
        foreach (InferenceStage stage in _stages)
        {
            (Tensor features, _) = stage.Read(Parameters, input, default, IsTraining);
            for (int i = 0; i < stage.Blocks.Length; i++)
                lambda[stage.Blocks[i]] = stage.Value(Parameters, i, features);
            if (stage != _stages[^1])
                input = Tensor.Concatenate(stage.Upwards(Parameters, features, lambda[stage.MeanBlock]));
        }
        return new InferenceTrace(new LocalParameters(lambda));
    }

    private static string Describe(VariationalFamily family, LevelLayers layers, int level)
    {
        string blocks = string.Join('+', family.LocalBlocks.Where(block => block.Level == level).Select(block => block.Size));
        return string.Join('-', [.. layers.Hidden, $"[{blocks}{(layers.Deterministic > 0 ? $"+{layers.Deterministic}" : "")}]"]);
    }
}
