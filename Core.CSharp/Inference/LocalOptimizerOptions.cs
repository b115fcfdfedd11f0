using GapLab.Objectives;
using GapLab.Optimization;

namespace GapLab.Inference;

/// <summary>The settings of <see cref="LocalOptimizer"/>; the defaults are the paper's.</summary>
public sealed record LocalOptimizerOptions
{
    /// <summary>Samples of q for each step.</summary>
    public int Samples { get; init; } = 100;

    /// <summary>The optimiser; step size 1e-3.</summary>
    public AdamOptions Adam { get; init; } = new();

    /// <summary>Steps between two checks; a check is the mean objective of the steps since the last one.</summary>
    public int StepsPerCheck { get; init; } = 100;

    /// <summary>How many checks in a row may fail to beat the best one.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>A limit that is reached only if the objective keeps improving.</summary>
    public int MaximumSteps { get; init; } = 100_000;

    /// <summary>How the KL terms are evaluated.</summary>
    public KlForm KlForm { get; init; } = KlForm.Analytic;

    /// <summary>
    /// The largest norm of a gradient: longer ones are scaled down to it. Null for <see cref="NetworkGradientNorm"/> where a family's shared parameters are
    /// moved, too, and for no limit where they are not; infinity for no limit at all.
    /// </summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>The limit for families with shared parameters, about the norm of ordinary steps. Networks extrapolate: without a limit one outlying sample, of a gradient a thousand times as long, can throw all weights off.</summary>
    public const double NetworkGradientNorm = 50;
}
