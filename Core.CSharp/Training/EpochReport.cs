using System.Text.Json.Serialization;

namespace GapLab.Training;

/// <summary>What an epoch did.</summary>
/// <param name="Epoch">Its number, from 1.</param>
/// <param name="Epochs">How many there are at most.</param>
/// <param name="Objective">The mean training objective of its batches in nats; with annealing weights it is not a bound.</param>
/// <param name="Validation">What the model reaches on the validation data.</param>
[method: JsonConstructor]
public readonly record struct EpochReport(int Epoch, int Epochs, double Objective, ValidationScores Validation);
