using System.Text.Json.Nodes;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Specification;
using GapLab.Training;

namespace GapLab.Experiments;

/// <summary>A training run, by description.</summary>
public sealed record TrainSpec : ArtifactSpec
{
    /// <summary>Epochs and learning rates.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Datapoints in a batch.</summary>
    public int BatchSize { get; init; } = 100;

    /// <summary>The optimiser's settings but for the learning rate, which the schedule gives.</summary>
    public AdamOptions Adam { get; init; } = new();

    /// <summary>Stochastic gradient ascent in the place of Adam; null for Adam.</summary>
    public SgdOptions? Sgd { get; init; }

    /// <summary>The largest 2-norm of all gradients of a step together; null for any.</summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>How the schedule's learning rates decay when the validation ELBO no longer rises; null for not at all.</summary>
    public PlateauDecay? Decay { get; init; }

    /// <summary>Whether the optimiser starts anew at every stage of the schedule.</summary>
    public bool ResetMomentsAtStages { get; init; }

    /// <summary>Which gradients train which parameters.</summary>
    public Component<Vae, TrainingRule> Rule { get; init; } = JointGradient.Choice();

    /// <summary>The weights of the objective's terms over the run.</summary>
    public Component<AnnealingPosition, ObjectiveWeights> Weights { get; init; } = Annealing.None;

    /// <summary>How many validation datapoints are scored after every epoch.</summary>
    public int ValidationPoints { get; init; } = 1000;

    /// <summary>Samples of q for the score of a validation datapoint.</summary>
    public int ValidationSamples { get; init; } = 10;

    /// <summary>Early stopping after so many epochs in a row without a higher validation ELBO; null to use all epochs.</summary>
    public int? Patience { get; init; }

    /// <summary>Whether the parameters of the epoch with the highest validation ELBO are kept, and not the last ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>A trained model from which parameters of the same names are taken as the initial ones; null for none.</summary>
    public ArtifactSpec? Parent { get; init; }

    /// <summary>Which of its parameters a parent hands down.</summary>
    public Inheritance Inherits { get; init; }

    /// <summary>
    /// A shorter run of the same description that this one goes on from, where its end is stored; null to start at the beginning. No part of the key, since the result is the same.
    /// </summary>
    internal TrainSpec? Continues { get; private init; }

    /// <summary>Whether the state at the end is stored, too, so that a longer run can go on from it. No part of the key.</summary>
    internal bool KeepsEnd { get; private init; }

    /// <inheritdoc/>
    public override IReadOnlyList<ArtifactSpec> Dependencies => [.. new ArtifactSpec?[] { Parent, Continues }.OfType<ArtifactSpec>()];

    /// <summary>
    /// The run as it was after some of its epochs. Each is a training run of its own, whose schedule ends there, with a key of its own; the one of all epochs is this run. Since
    /// everything random is counted by epoch and step, a shorter run is the beginning of a longer one: each goes on from the one before, so that all together take no longer than the longest.
    /// </summary>
    /// <param name="epochs">After which epochs, from 1, in any order.</param>
    /// <returns>One run for each different epoch, in ascending order.</returns>
    /// <exception cref="Tensors.GapLabException">The schedule does not have so many epochs.</exception>
    public IReadOnlyList<TrainSpec> Snapshots(IEnumerable<int> epochs)
    {
        int[] ends = [.. epochs.Distinct().Order()];
        var runs = new List<TrainSpec>();
        foreach (int end in ends)
            runs.Add(this with { Schedule = Schedule.First(end), Continues = runs.LastOrDefault() ?? Continues, KeepsEnd = end < ends[^1] || KeepsEnd });
        return runs;
    }

    /// <summary>A training run of another family and encoder for the generative model that this run gives, which stays as it is. All else is as in this run.</summary>
    /// <param name="family">The family.</param>
    /// <param name="inference">The encoder.</param>
    /// <param name="rule">What trains it, and leaves the model as it is; null for <see cref="JointGradient"/>.</param>
    public TrainSpec WithNewEncoder(
        Component<FamilyContext, VariationalFamily> family, Component<InferenceContext, InferenceMethod> inference, Component<Vae, TrainingRule>? rule = null) => this with
        {
            Family = family,
            Inference = inference,
            Rule = rule ?? JointGradient.Choice(trainsModel: false),
            Parent = this,
            Inherits = Inheritance.Model,
            Continues = null,
            KeepsEnd = false,
        };

    /// <summary>The trainer's settings.</summary>
    /// <param name="vae">What is trained.</param>
    public TrainerOptions OptionsFor(Vae vae) => new()
    {
        Schedule = Schedule,
        BatchSize = BatchSize,
        Adam = Adam,
        Sgd = Sgd,
        MaximumGradientNorm = MaximumGradientNorm,
        Decay = Decay,
        ResetMomentsAtStages = ResetMomentsAtStages,
        Rule = Rule.Build(vae),
        Weights = Weights.Build,
        ValidationPoints = ValidationPoints,
        ValidationSamples = ValidationSamples,
        Patience = Patience,
        KeepBest = KeepBest,
        Seed = Seed,
    };

    /// <inheritdoc/>
    private protected override void Describe(JsonObject json)
    {
        json["training"] = new Component("trainer", Trainer.Revision, new
        {
            schedule = Schedule.Stages,
            BatchSize,
            adam = Sgd is null ? new { Adam.Beta1, Adam.Beta2, Adam.Epsilon } : null,
            Sgd,
            MaximumGradientNorm,
            Decay,
            ResetMomentsAtStages,
            rule = Rule.ToJson(),
            weights = Weights.ToJson(),
            ValidationPoints,
            ValidationSamples,
            Patience,
            KeepBest,
        }).ToJson();
        if (Parent is not null)
            json["parent"] = Parent.ToJson();
        // A choice that is not made leaves no trace, as there once was no other.
        if (Inherits != Inheritance.All)
            json["inherits"] = CanonicalJson.From(Inherits);
    }
}
