using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// A part of an inference network that gives some blocks of λ: hidden layers, perhaps an LSTM cell, and a linear map for each block; with gates, another one; and perhaps one for
/// deterministic units, which the next part sees.
/// </summary>
internal sealed class InferenceStage
{
    private readonly HiddenLayers _hidden;
    private readonly LstmCell? _cell;
    private readonly Linear[] _values;
    private readonly Linear[] _gates;
    private readonly Linear? _deterministic;

    /// <summary>Adds the stage's parameters to a set, as "name.0.weight", "name.cell.weight", "name.mean.weight", "name.mean.gate.weight", ..., "name.deterministic.weight".</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The stage's name.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="layers">Hidden layers and deterministic units.</param>
    /// <param name="kind">What the hidden layers are.</param>
    /// <param name="family">The family of λ.</param>
    /// <param name="blocks">The positions in λ of the blocks that the stage gives.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public InferenceStage(
        ParameterSet parameters, string name, int inputs, LevelLayers layers, Kind kind, VariationalFamily family, IReadOnlyList<int> blocks, RandomStream stream)
    {
        Blocks = [.. blocks];
        _hidden = new HiddenLayers(parameters, name, inputs, layers.Hidden, kind.Activation, kind.Highway, kind.BatchNormalization, stream);
        int features = _hidden.Outputs;
        _cell = kind.Recurrent ? new LstmCell(parameters, $"{name}.cell", features, features, stream) : null;
        Linear[] Heads(string suffix) =>
            [.. blocks.Select(block => new Linear(parameters, $"{name}.{family.LocalBlocks[block].Name}{suffix}", features, family.LocalBlocks[block].Size, Activation.Identity, stream))];
        _values = Heads("");
        _gates = kind.Gated ? Heads(".gate") : [];
        _deterministic = layers.Deterministic > 0 ? new Linear(parameters, $"{name}.deterministic", features, layers.Deterministic, Activation.Identity, stream) : null;
        MeanBlock = Array.Find(Blocks, block => family.LocalBlocks[block].IsMean);
    }

    /// <summary>The positions in λ of the blocks that the stage gives.</summary>
    public int[] Blocks { get; }

    /// <summary>The position in λ of the first block of means among them.</summary>
    public int MeanBlock { get; }

    /// <summary>The state of the cell before the first step; undefined tensors without a cell.</summary>
    public (Tensor Hidden, Tensor Cell) InitialState(Device device, int rows) => _cell?.InitialState(device, rows) ?? default;

    /// <summary>What the linear maps read, and the cell's next state.</summary>
    public (Tensor Features, (Tensor Hidden, Tensor Cell) State) Read(ParameterSet parameters, Tensor input, (Tensor Hidden, Tensor Cell) state, bool isTraining)
    {
        Tensor features = _hidden.Forward(parameters, input, isTraining);
        if (_cell is null)
            return (features, default);
        state = _cell.Forward(parameters, features, state);
        return (state.Hidden, state);
    }

    /// <summary>The map of the stage's i-th block.</summary>
    public Tensor Value(ParameterSet parameters, int i, Tensor features) => _values[i].Forward(parameters, features);

    /// <summary>The gate of the stage's i-th block, between 0 and 1.</summary>
    public Tensor Gate(ParameterSet parameters, int i, Tensor features) => _gates[i].Forward(parameters, features).Sigmoid();

    /// <summary>What the next stage sees of this one: its deterministic units, and the means that it gave.</summary>
    public Tensor[] Upwards(ParameterSet parameters, Tensor features, Tensor mean) =>
        _deterministic is null ? [mean] : [_deterministic.Forward(parameters, features), mean];

    /// <summary>One stage for each latent level.</summary>
    /// <param name="what">Who asks, for messages.</param>
    /// <param name="parameters">The set that they join.</param>
    /// <param name="name">The network's name; stages are called "name.level0", "name.level1", ...</param>
    /// <param name="layers">The layers of every level.</param>
    /// <param name="kind">What the hidden layers are.</param>
    /// <param name="family">The family of λ.</param>
    /// <param name="inputs">For a level, the size of its input but for the deterministic units and the means of the level below.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">Layers for another number of levels than the family has, or deterministic units at the top.</exception>
    /// <exception cref="GapLabException">A level of the family has no means to tell the next one.</exception>
    public static InferenceStage[] OfLevels(
        string what, ParameterSet parameters, string name, IReadOnlyList<LevelLayers> layers, Kind kind, VariationalFamily family, Func<int, int> inputs, RandomStream stream)
    {
        IReadOnlyList<LocalBlock> all = family.LocalBlocks;
        LevelLayers.Require(what, layers, all.Max(block => block.Level) + 1);
        var stages = new InferenceStage[layers.Count];
        for (int level = 0; level < stages.Length; level++)
        {
            if (!all.Any(block => block.Level == level && block.IsMean))
                throw new GapLabException($"{what}: the family {family.Name} has no block of means at level {level}, which the network of the next level would see; use a flat network.");
            int below = level == 0 ? 0 : layers[level - 1].Deterministic + all.First(block => block.Level == level - 1 && block.IsMean).Size;
            int[] blocks = [.. Enumerable.Range(0, all.Count).Where(i => all[i].Level == level)];
            stages[level] = new InferenceStage(parameters, $"{name}.level{level}", below + inputs(level), layers[level], kind, family, blocks, stream);
        }
        return stages;
    }

    /// <summary>What the layers of a stage are.</summary>
    /// <param name="Activation">The hidden layers' activation.</param>
    /// <param name="Highway">Whether they carry part of their input on.</param>
    /// <param name="BatchNormalization">Whether they normalise their batch in training.</param>
    /// <param name="Recurrent">Whether an LSTM cell follows them.</param>
    /// <param name="Gated">Whether every block has a gate.</param>
    internal readonly record struct Kind(Activation Activation, bool Highway, bool BatchNormalization, bool Recurrent = false, bool Gated = false);
}
