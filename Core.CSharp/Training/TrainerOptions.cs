using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;

namespace GapLab.Training;

/// <summary>The settings of a training run.</summary>
public sealed record TrainerOptions
{
    /// <summary>Epochs and learning rates.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Datapoints in a batch; a last, smaller batch is trained on too.</summary>
    public int BatchSize { get; init; } = 100;

    /// <summary>The optimiser's settings but for the learning rate, which the schedule gives.</summary>
    public AdamOptions Adam { get; init; } = new();

    /// <summary>Stochastic gradient ascent in the place of Adam; null for Adam.</summary>
    public SgdOptions? Sgd { get; init; }

    /// <summary>The largest 2-norm of all gradients of a step together; null for any. See <see cref="GradientClip"/>.</summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>How the schedule's learning rates decay when the validation ELBO no longer rises; null for not at all.</summary>
    public PlateauDecay? Decay { get; init; }

    /// <summary>Whether the optimiser starts anew at every stage of the schedule.</summary>
    public bool ResetMomentsAtStages { get; init; }

    /// <summary>Which gradients train which parameters.</summary>
    public TrainingRule Rule { get; init; } = new JointGradient();

    /// <summary>The weights of the objective's terms for a batch: annealing.</summary>
    public Func<AnnealingPosition, ObjectiveWeights> Weights { get; init; } = _ => ObjectiveWeights.Elbo;

    /// <summary>How many validation datapoints are scored after every epoch, a random subset.</summary>
    public int ValidationPoints { get; init; } = 1000;

    /// <summary>Samples of q for the score of a validation datapoint.</summary>
    public int ValidationSamples { get; init; } = 10;

    /// <summary>Early stopping: training ends when this many epochs in a row have not raised the validation ELBO; null to use all epochs.</summary>
    public int? Patience { get; init; }

    /// <summary>Whether the parameters of the epoch with the highest validation ELBO are the result, and not the last ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>The seed of batches and noise.</summary>
    public ulong Seed { get; init; } = 1;
}
