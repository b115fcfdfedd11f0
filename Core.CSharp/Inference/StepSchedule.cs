using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// A number of steps K that goes linearly from one value to another over the epochs of training and then stays. Steps matter more early in training, so that fewer and fewer of them make it
/// faster (Kim et al. 2018, section 5.2).
/// </summary>
/// <param name="First">K in the first epoch.</param>
/// <param name="Last">K from the epoch with the number <paramref name="Epochs"/> on, counted from 0.</param>
/// <param name="Epochs">How long it takes, at least 1.</param>
public sealed record StepSchedule(int First, int Last, int Epochs)
{
    /// <summary>K in an epoch, rounded to the nearest number, halves to the even one.</summary>
    /// <param name="epoch">From 0.</param>
    public int At(int epoch) => (int)Math.Round(First + (Last - First) * Math.Min(1, epoch / (double)Epochs));

    /// <summary>The same schedule.</summary>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    internal StepSchedule Checked() => First >= 0 && Last >= 0 && Epochs >= 1
        ? this
        : throw new GapLabException($"A schedule of steps needs 0 steps or more and at least 1 epoch, not {First}, {Last} and {Epochs}.");
}
