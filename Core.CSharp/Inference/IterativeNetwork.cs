using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The network of iterative inference: from what it is shown at λ_t to λ_{t+1}. It is flat, one stage that sees everything and gives every block, or has a stage for each latent level. The
/// stages of levels run bottom-up once an iteration; each sees what concerns its level and, from the level below, deterministic units, the new means and their distance from the prior.
/// </summary>
/// <remarks>
/// Marino et al.'s code passes upwards the average of samples of z_l, here it is their mean μ_l: what the average is in expectation, without its noise, and known for a ladder too, whose z_l
/// cannot be sampled before the levels above are.
/// </remarks>
internal sealed class IterativeNetwork
{
    private readonly IterativeUpdate _update;
    private readonly InferenceStage[] _stages;
    private readonly bool[] _bounded;

    /// <summary>A network with freshly initialised weights.</summary>
    /// <param name="parameters">The set that its parameters join.</param>
    /// <param name="model">The model whose latent variables and data it sees errors of.</param>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="options">The settings.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">Layers for another number of levels than the family has, or deterministic units at the top.</exception>
    /// <exception cref="GapLabException">The network would see nothing, or the family has no means at some level.</exception>
    public IterativeNetwork(ParameterSet parameters, GenerativeModel model, VariationalFamily family, int dataSize, IterativeOptions options, RandomStream stream)
    {
        _update = options.Update;
        _bounded = [.. family.LocalBlocks.Select(block => block.IsLogVariance)];
        int data = (options.Data ? dataSize : 0) + (options.BottomUpErrors == ErrorEncoding.None ? 0 : dataSize);
        // What is seen of some latent variables and of their part of λ.
        int Width(int latent, int lambda) =>
            (options.TopDownErrors == ErrorEncoding.None ? 0 : latent)
            + (options.Estimates ? lambda : 0)
            + options.Gradients switch { GradientEncoding.None => 0, GradientEncoding.LogSign => 2 * lambda, _ => lambda };
        int Lambda(int level) => family.LocalBlocks.Where(block => block.Level == level).Sum(block => block.Size);
        Inputs = data + Width(model.LatentSizes.Sum(), family.LocalBlocks.Sum(block => block.Size));
        bool seesNothing = Inputs == 0 || (options.Levels is not null && data + Width(model.LatentSizes[0], Lambda(0)) == 0);
        if (seesNothing)
            throw new GapLabException("Iterative inference: the network would see nothing; let it see the data, gradients, errors or the present λ.");
        var kind = new InferenceStage.Kind(Activation.Elu, options.Highway, options.BatchNormalization, options.Recurrent, options.Update == IterativeUpdate.Gated);
        _stages = options.Levels is null
            ? [new InferenceStage(parameters, "iterative", Inputs, new LevelLayers(options.Hidden), kind, family, [.. Enumerable.Range(0, family.LocalBlocks.Count)], stream)]
            : InferenceStage.OfLevels("Iterative inference", parameters, "iterative", options.Levels, kind, family, InputsOf, stream);

        int InputsOf(int level) =>
            Width(model.LatentSizes[level], Lambda(level)) + (level == 0 ? data : options.BottomUpErrors == ErrorEncoding.None ? 0 : model.LatentSizes[level - 1]);
    }

    /// <summary>How many numbers a flat network is shown.</summary>
    public int Inputs { get; }

    /// <summary>How many stages there are.</summary>
    public int Stages => _stages.Length;

    /// <summary>The positions in λ of the blocks that a stage gives.</summary>
    public int[] BlocksOf(int stage) => _stages[stage].Blocks;

    /// <summary>The state before the first iteration.</summary>
    public IterativeState InitialState(Device device, int rows) => new(Array.ConvertAll(_stages, stage => stage.InitialState(device, rows)));

    /// <summary>λ_{t+1}, and the state that a recurrent network hands on.</summary>
    /// <param name="parameters">The set the network belongs to.</param>
    /// <param name="view">What it is shown.</param>
    /// <param name="lambda">λ_t.</param>
    /// <param name="state">Its state.</param>
    /// <param name="isTraining">Whether batch normalisation takes the batch's own statistics.</param>
    public (LocalParameters Lambda, IterativeState State) Update(
        ParameterSet parameters, IterativeView view, LocalParameters lambda, IterativeState state, bool isTraining)
    {
        var next = new Tensor[lambda.Blocks.Count];
        var states = new (Tensor Hidden, Tensor Cell)[_stages.Length];
        var below = new List<Tensor>();
        for (int s = 0; s < _stages.Length; s++)
        {
            InferenceStage stage = _stages[s];
            if (view.Encodings[s].IsDefined)
                below.Add(view.Encodings[s]);
            (Tensor features, states[s]) = stage.Read(parameters, Tensor.Concatenate([.. below]), state.Recurrent[s], isTraining);
            for (int i = 0; i < stage.Blocks.Length; i++)
            {
                int block = stage.Blocks[i];
                Tensor value = stage.Value(parameters, i, features), before = lambda[block];
                Tensor mixed = _update switch
                {
                    IterativeUpdate.Gated => value + stage.Gate(parameters, i, features) * (before - value),
                    IterativeUpdate.Residual => before + value,
                    _ => value,
                };
                next[block] = _bounded[block] ? LogVarianceBound.Apply(mixed) : mixed;
            }
            if (s == _stages.Length - 1)
                break;
            Tensor mean = next[stage.MeanBlock];
            below = [.. stage.Upwards(parameters, features, mean)];
            if (view.Precisions.Length > 0)
                below.Add(view.Precisions[s] * mean - view.Pulls[s]);
            // The next level depends on this mean, too: with a handle of its own, a derivative with respect to λ is that at the other levels' given λ.
            next[stage.MeanBlock] = mean.Alias();
        }
        return (new LocalParameters(next), new IterativeState(states));
    }
}
