namespace GapLab.Training;

/// <summary>How a training run went.</summary>
/// <param name="Curve">What every epoch reported.</param>
/// <param name="SelectedEpoch">The epoch, from 1, whose parameters are the result.</param>
public sealed record TrainingOutcome(IReadOnlyList<EpochReport> Curve, int SelectedEpoch);
