namespace GapLab.Optimization;

/// <summary>A number of epochs with one learning rate.</summary>
/// <param name="Epochs">How many.</param>
/// <param name="LearningRate">The step size during them.</param>
public readonly record struct ScheduleStage(int Epochs, double LearningRate);
