using System.Text.Json.Serialization;
using GapLab.Networks;

namespace GapLab.Inference;

/// <summary>The settings of <see cref="Iterative"/>; what the network sees can be combined freely.</summary>
public sealed record IterativeOptions
{
    /// <summary>K, the number of updates.</summary>
    public int Iterations { get; init; } = 5;

    /// <summary>Samples of q in each iteration, whose gradients and errors the network sees.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>The sizes of the hidden layers of a flat network, which sees and gives everything at once; not used when there are <see cref="Levels"/>.</summary>
    public IReadOnlyList<int> Hidden { get; init; } = [512, 512];

    /// <summary>
    /// For hierarchies, a network for each latent level, run bottom-up once an iteration: its hidden layers, and the deterministic units that it passes upwards, together with its new means and,
    /// if there are bottom-up errors, with their distance from the prior. Null for a flat network.
    /// </summary>
    public IReadOnlyList<LevelLayers>? Levels { get; init; }

    /// <summary>Whether hidden layers carry part of their input on, see <see cref="HighwayMlp"/>.</summary>
    public bool Highway { get; init; }

    /// <summary>Whether hidden layers normalise their batch in training, see <see cref="BatchNorm"/>; all iterations share the running averages.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool BatchNormalization { get; init; }

    /// <summary>Whether an LSTM cell, as large as the last hidden layer, follows the hidden layers (of every level); training then goes back through all iterations.</summary>
    public bool Recurrent { get; init; }

    /// <summary>How the outputs make the next λ.</summary>
    public IterativeUpdate Update { get; init; } = IterativeUpdate.Gated;

    /// <summary>Whether the network sees the data, as x - ½.</summary>
    public bool Data { get; init; } = true;

    /// <summary>How it sees the gradients of the ELBO with respect to λ.</summary>
    public GradientEncoding Gradients { get; init; } = GradientEncoding.LogSign;

    /// <summary>α of the logarithmic encoding.</summary>
    public double LogScale { get; init; } = 1;

    /// <summary>e of the logarithmic encoding.</summary>
    public double LogOffset { get; init; } = 1e-5;

    /// <summary>How it sees the bottom-up errors: that of the data and, above the first of several <see cref="Levels"/>, that of the level below.</summary>
    public ErrorEncoding BottomUpErrors { get; init; } = ErrorEncoding.None;

    /// <summary>How it sees the top-down errors, of the latent variables.</summary>
    public ErrorEncoding TopDownErrors { get; init; } = ErrorEncoding.None;

    /// <summary>Whether it sees the present λ.</summary>
    public bool Estimates { get; init; } = true;
}
