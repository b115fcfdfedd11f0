using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>Learning rates over the epochs of a training run.</summary>
/// <param name="stages">The stages, one after the other.</param>
public sealed class LearningRateSchedule(params ScheduleStage[] stages)
{
    /// <summary>The stages.</summary>
    public IReadOnlyList<ScheduleStage> Stages { get; } = stages;

    /// <summary>The number of epochs in all.</summary>
    public int Epochs => Stages.Sum(stage => stage.Epochs);

    /// <summary>One learning rate throughout.</summary>
    /// <param name="epochs">How long.</param>
    /// <param name="learningRate">The step size.</param>
    public static LearningRateSchedule Constant(int epochs, double learningRate) => new(new ScheduleStage(epochs, learningRate));

    /// <summary>A learning rate that is multiplied by a factor after every epoch.</summary>
    /// <param name="epochs">How long.</param>
    /// <param name="learningRate">The step size of the first epoch.</param>
    /// <param name="factor">What it is multiplied by.</param>
    public static LearningRateSchedule Decaying(int epochs, double learningRate, double factor) =>
        new([.. Enumerable.Range(0, epochs).Select(epoch => new ScheduleStage(1, learningRate * Math.Pow(factor, epoch)))]);

    /// <summary>
    /// Burda et al.'s (2016) schedule: for i = 0 .. 7, 3^i epochs at 0.001 · 10^(-i/7), which is 3,280 epochs from 1e-3 down to 1e-4.
    /// </summary>
    public static LearningRateSchedule Burda() =>
        new([.. Enumerable.Range(0, 8).Select(i => new ScheduleStage((int)Math.Pow(3, i), 1e-3 * Math.Pow(10, -i / 7.0)))]);

    /// <summary>The schedule of the first epochs alone.</summary>
    /// <param name="epochs">How many, from 1.</param>
    /// <exception cref="GapLabException">The schedule does not have so many.</exception>
    public LearningRateSchedule First(int epochs)
    {
        if (epochs < 1 || epochs > Epochs)
            throw new GapLabException($"The learning-rate schedule has {Epochs} epochs, of which the first {epochs} cannot be taken.");
        var first = new List<ScheduleStage>();
        foreach (ScheduleStage stage in Stages)
        {
            int left = epochs - first.Sum(taken => taken.Epochs);
            if (left > 0)
                first.Add(stage with { Epochs = Math.Min(stage.Epochs, left) });
        }
        return new LearningRateSchedule([.. first]);
    }

    /// <summary>The stage that an epoch belongs to.</summary>
    /// <param name="epoch">From 0.</param>
    /// <returns>The stage's number, and whether the epoch is its first.</returns>
    /// <exception cref="GapLabException">The schedule ends before.</exception>
    public (int Stage, bool IsFirst) At(int epoch)
    {
        int start = 0;
        for (int i = 0; i < Stages.Count; i++)
        {
            if (epoch < start + Stages[i].Epochs)
                return (i, epoch == start);
            start += Stages[i].Epochs;
        }
        throw new GapLabException($"The learning-rate schedule has {Epochs} epochs; there is no epoch {epoch}.");
    }
}
