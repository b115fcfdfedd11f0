using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>The settings of gradient ascent on λ, see <see cref="UnrolledAscent"/> and <see cref="SemiAmortized"/>; those of Kim et al. 2018 are the defaults.</summary>
public sealed record SemiAmortizedOptions
{
    /// <summary>K, the number of steps.</summary>
    public int Iterations { get; init; } = 20;

    /// <summary>α, the step size.</summary>
    public double StepSize { get; init; } = 1;

    /// <summary>γ, from 0 to below 1.</summary>
    public double Momentum { get; init; } = 0.5;

    /// <summary>
    /// B. The function that is climbed is the mean over a batch of so many datapoints, so that one datapoint's step is α / B of its own gradient, whatever the size of its batch. Kim et al. have
    /// 50 for images and 32 for text.
    /// </summary>
    public int BatchSize { get; init; } = 50;

    /// <summary>Samples of q in each step.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>The largest 2-norm of gradients of the batch mean; null for any.</summary>
    public double? Clip { get; init; } = 5;

    /// <summary>Of what norms are taken in training; otherwise always of each datapoint.</summary>
    public ClipScope Scope { get; init; } = ClipScope.Batch;

    /// <summary>The same settings.</summary>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    internal SemiAmortizedOptions Checked() =>
        Iterations >= 0 && Samples >= 1 && BatchSize >= 1 && StepSize > 0 && double.IsFinite(StepSize) && Momentum is >= 0 and < 1 && Clip is null or > 0
        ? this
        : throw new GapLabException(
            $"Gradient ascent on λ needs 0 steps or more, samples and a batch size of at least 1, a positive step size, a momentum from 0 to below 1 and a positive largest norm, not {Iterations}, {Samples}, {BatchSize}, {StepSize}, {Momentum} and {Clip}.");
}
