using System.Diagnostics;
using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;

namespace GapLab.Training;

/// <summary>
/// Stochastic gradient ascent on an objective over minibatches. The result is a function of the initial parameters, the data and the seed: not of the
/// number of threads, nor of interruptions. In steady state a step's tensors take the same memory each time.
/// </summary>
/// <param name="options">The settings.</param>
public sealed class Trainer(TrainerOptions options)
{
    /// <summary>Raised whenever training gives other numbers for the same settings.</summary>
    public const int Revision = 1;

    /// <summary>Trains a model in place.</summary>
    /// <param name="vae">What is trained.</param>
    /// <param name="train">The training data.</param>
    /// <param name="validation">Data that are scored after every epoch; null for none.</param>
    /// <param name="onEpoch">Told after every epoch.</param>
    /// <param name="onStep">Told after every step which fraction of the run is done.</param>
    /// <param name="checkpointing">How the run is kept from being lost; null for not at all.</param>
    /// <param name="cancellation">Stops between two steps, after a checkpoint.</param>
    /// <returns>What the epochs reported, and which one was selected; no epochs where the rule trains no parameters.</returns>
    /// <exception cref="GapLabException">An option makes no sense, or the objective is not finite: names the epoch, the step and the parameter that is not finite.</exception>
    /// <exception cref="DataException">The checkpoint to go on from is another model's.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public TrainingOutcome Train(
        Vae vae, ObservationSource train, ObservationSource? validation,
        Action<EpochReport>? onEpoch = null, Action<double>? onStep = null, Checkpointing? checkpointing = null, CancellationToken cancellation = default)
    {
        RequireSense(train, validation);
        IReadOnlyList<int> trained = options.Rule.Trained(vae);
        if (trained.Count == 0)
            return new TrainingOutcome([], 0);
        // A model of which nothing is trained is used as it is: in training, batch normalisation would move its running averages.
        Vae learning = trained.Any(i => i < vae.Model.Parameters.Count) ? vae.InTraining() : new Vae(vae.Model, vae.Family, vae.Inference.InTraining());
        Tensor[] parameters = [.. trained.Select(i => vae.Parameters[i])];
        Optimizer optimizer = options.Sgd is { } sgd ? new Sgd(parameters, learningRate: 0, sgd.Momentum) : new Adam(parameters, options.Adam);
        var noise = new RandomStream(options.Seed, RandomPurpose.TrainingNoise);
        var shuffling = new RandomStream(options.Seed, RandomPurpose.Shuffling);
        var scores = validation is null
            ? null
            : new ValidationCurve(validation, options.ValidationPoints, options.ValidationSamples, new RandomStream(options.Seed, RandomPurpose.Evaluation));
        var gradients = new Tensor[trained.Count];
        int epochs = options.Schedule.Epochs, batches = train.Batches(options.BatchSize, shuffling).Count;

        var curve = new List<EpochReport>();
        int epoch = 0, batch = 0, bestEpoch = 0;
        double sum = 0;
        SafetensorsEntry[] best = [];
        if (checkpointing?.Resume is { } resumed)
        {
            best = resumed.Restore(vae, trained, optimizer);
            (epoch, batch, sum, _, bestEpoch, IReadOnlyList<EpochReport> reports) = resumed.Position;
            // A run that goes on from a shorter one reports as if there had been no other.
            curve.AddRange(reports.Select(report => report with { Epochs = epochs }));
        }

        void Save(Action<Checkpoint>? store)
        {
            if (store is null)
                return;
            // A checkpoint from which no step can succeed would take the place of a good one.
            RequireFinite(vae, epoch, batches * epoch + batch);
            store(Checkpoint.Capture(vae, trained, optimizer, new TrainingPosition(epoch, batch, sum, 0, bestEpoch, [.. curve]), best));
        }

        var sinceCheckpoint = Stopwatch.StartNew();
        for (; epoch < epochs && !IsOver(curve.Count, bestEpoch); epoch++, batch = 0, sum = 0)
        {
            (int stage, bool isFirst) = options.Schedule.At(epoch);
            double decay = options.Decay?.After(curve.Select(report => report.Validation.Elbo)) ?? 1;
            optimizer.LearningRate = options.Schedule.Stages[stage].LearningRate * decay;
            if (decay < 1 && optimizer.LearningRate < options.Decay!.Minimum)
                break;
            if (isFirst && batch == 0 && options.ResetMomentsAtStages)
                optimizer.Reset();
            IReadOnlyList<int[]> plan = train.Batches(options.BatchSize, shuffling.At(step: epoch));
            TrainingRule rule = options.Rule.At(epoch);
            while (batch < batches)
            {
                if (cancellation.IsCancellationRequested)
                {
                    Save(checkpointing?.Save);
                    cancellation.ThrowIfCancellationRequested();
                }
                int step = epoch * batches + batch;
                using (MemoryScope.Enter())
                {
                    Observations x = train.Batch(plan[batch], epoch);
                    double value = Climb(rule, learning, x, noise, step, epoch, options.Weights(new AnnealingPosition(epoch, batch, batches)), gradients);
                    if (!double.IsFinite(value))
                        throw new GapLabException($"Training stopped at epoch {epoch + 1}, step {step + 1}: the objective is {value}{(FirstNotFinite(vae) is { } name ? $" and the parameter '{name}' is not finite" : "")}; use a smaller learning rate.");
                    sum += value;
                    optimizer.Ascend(gradients, options.MaximumGradientNorm is { } norm ? GradientClip.Factor(gradients, norm) : 1);
                }
                batch++;
                onStep?.Invoke((step + 1) / (epochs * (double)batches));
                if (checkpointing is not null && sinceCheckpoint.Elapsed >= checkpointing.Interval)
                {
                    Save(checkpointing.Save);
                    sinceCheckpoint.Restart();
                }
            }
            var report = new EpochReport(epoch + 1, epochs, sum / train.Count, scores?.Evaluate(vae) ?? ValidationScores.None);
            curve.Add(report);
            if (bestEpoch == 0 || IsBetter(report.Validation.Elbo, curve[bestEpoch - 1].Validation.Elbo))
            {
                bestEpoch = report.Epoch;
                if (options.KeepBest)
                    best = Checkpoint.CaptureBest(vae);
            }
            onEpoch?.Invoke(report);
        }
        Save(checkpointing?.End);
        if (options.KeepBest)
            Checkpoint.RestoreBest(vae, best);
        RequireFinite(vae, epoch - 1, batches * epoch);
        return new TrainingOutcome(curve, options.KeepBest ? bestEpoch : curve.Count);
    }

    /// <summary>The gradients of one step, and the sum of the objective; what goes wrong is said to have happened in that step.</summary>
    private static double Climb(TrainingRule rule, Vae vae, Observations x, RandomStream noise, int step, int epoch, ObjectiveWeights weights, Tensor[] gradients)
    {
        try
        {
            return rule.Gradients(vae, x, noise, step, weights, gradients).Sum().ToDouble();
        }
        catch (GapLabException e) when (e.GetType() == typeof(GapLabException))
        {
            throw new GapLabException($"Training stopped at epoch {epoch + 1}, step {step + 1}: {e.Message}");
        }
    }

    /// <summary>Every number is better than NaN.</summary>
    private static bool IsBetter(double elbo, double best) => elbo > best || (double.IsNaN(best) && !double.IsNaN(elbo));

    private bool IsOver(int finished, int bestEpoch) => options.Patience is { } patience && bestEpoch > 0 && finished - bestEpoch >= patience;

    private void RequireSense(ObservationSource train, ObservationSource? validation)
    {
        if (options.BatchSize < 1 || options.Schedule.Epochs < 1 || train.Count < 1)
            throw new GapLabException($"Training needs datapoints, epochs and a batch size of at least 1, not {train.Count}, {options.Schedule.Epochs} and {options.BatchSize}.");
        if (options.ValidationPoints < 1 || options.ValidationSamples < 1 || options.Patience < 1)
            throw new GapLabException($"Training needs validation points, validation samples and a patience of at least 1, not {options.ValidationPoints}, {options.ValidationSamples} and {options.Patience}.");
        if (options.MaximumGradientNorm is { } norm && !(norm > 0))
            throw new GapLabException($"The largest norm of the gradients must be positive, not {norm}.");
        if (options.Sgd is { Momentum: not (>= 0 and < 1) })
            throw new GapLabException($"The momentum of gradient ascent must be from 0 to below 1, not {options.Sgd.Momentum}.");
        options.Decay?.Checked();
        if (validation is null or { Count: 0 } && (options.Patience is not null || options.KeepBest || options.Decay is not null))
            throw new GapLabException("Early stopping, decay on a plateau and keeping the best epoch need validation data; hold some out, or use all epochs.");
    }

    /// <summary>An objective can be finite at the step whose gradient is not.</summary>
    private static void RequireFinite(Vae vae, int epoch, int steps)
    {
        if (FirstNotFinite(vae) is { } name)
            throw new GapLabException($"Training stopped at epoch {epoch + 1}, after step {steps}: the parameter '{name}' is not finite; use a smaller learning rate.");
    }

    /// <summary>Which parameter an earlier step has spoilt; null for none.</summary>
    private static string? FirstNotFinite(Vae vae)
    {
        for (int i = 0; i < vae.Parameters.Count; i++)
            if (!vae.Parameters[i].ToArray().All(double.IsFinite))
                return vae.ParameterNames[i];
        return null;
    }
}
