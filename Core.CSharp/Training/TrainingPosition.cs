namespace GapLab.Training;

/// <summary>Where a training run is.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Batch">How many of its batches are done.</param>
/// <param name="ObjectiveSum">The sum of the objective over the datapoints of those batches, in nats.</param>
/// <param name="OptimizerSteps">The optimiser's count of steps.</param>
/// <param name="BestEpoch">The epoch, from 1, with the highest validation ELBO; 0 before there is one.</param>
/// <param name="Curve">What the finished epochs reported.</param>
public sealed record TrainingPosition(int Epoch, int Batch, double ObjectiveSum, int OptimizerSteps, int BestEpoch, IReadOnlyList<EpochReport> Curve);
