using System.Diagnostics;
using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Optimization;
using GapLab.Tensors;
using GapLab.Training;

namespace GapLab.Experiments;

/// <summary>
/// Estimates what is still to be done by doing a little of each kind of work on this machine: some training steps, cheap versions of measures on a few datapoints.
/// Nothing is stored.
/// </summary>
/// <param name="runner">Whose results are to be estimated.</param>
/// <param name="device">Where they would be computed.</param>
public sealed class CostEstimator(Runner runner, Device device)
{
    private const int WarmUpSteps = 20, TimedSteps = 60, ValidationPoints = 50;

    /// <summary>How long either kind of step goes on.</summary>
    private static readonly TimeSpan s_enough = TimeSpan.FromSeconds(10);

    /// <summary>The results that are missing, with the time each will take.</summary>
    /// <param name="evaluations">What is wanted.</param>
    /// <param name="artifacts">Models that are wanted whether or not an evaluation needs them.</param>
    /// <param name="cancellation">Stops early.</param>
    public IReadOnlyList<CostEstimate> Estimate(
        IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec>? artifacts = null, CancellationToken cancellation = default)
    {
        var estimates = new List<CostEstimate>();
        // Equal work is timed once: sweeps over seeds and training curves have much of it.
        var trainingRates = new Dictionary<string, double>();
        var measureRates = new Dictionary<string, (double SecondsPerPoint, string Assumption)>();
        var methods = new Dictionary<string, string>();
        foreach (RunTask task in runner.Plan(evaluations, artifacts))
        {
            cancellation.ThrowIfCancellationRequested();
            string kind = KindOf(task.Artifact);
            if (!methods.TryGetValue(kind, out string? method))
                methods[kind] = method = MethodOf(task.Artifact);
            string title = $"{task.Title}: {method}";
            if (task.Evaluation is { } evaluation)
            {
                string measure = evaluation.Measure.Identity.ToJson().ToJsonString();
                if (!measureRates.TryGetValue(kind + measure, out (double SecondsPerPoint, string Assumption) rate))
                    measureRates[kind + measure] = rate = RateOf(evaluation, cancellation);
                estimates.Add(new CostEstimate(title, rate.SecondsPerPoint * evaluation.Points, rate.Assumption));
            }
            else if (task.Artifact is TrainSpec training)
            {
                if (!trainingRates.TryGetValue(kind, out double rate))
                    trainingRates[kind] = rate = SecondsPerEpoch(training);
                estimates.Add(new CostEstimate(
                    title, rate * (training.Schedule.Epochs - (training.Continues?.Schedule.Epochs ?? 0)),
                    training.Patience is null ? "" : "at most: it may stop early"));
            }
            else
            {
                estimates.Add(new CostEstimate(title, 0, ""));
            }
        }
        return estimates;
    }

    /// <summary>Models that cost the same: neither seeds nor learning rates make a difference.</summary>
    private static string KindOf(ArtifactSpec spec) =>
        (spec is TrainSpec training ? training with { Seed = 0, Schedule = LearningRateSchedule.Constant(1, 0) } : spec with { Seed = 0 }).Key;

    /// <summary>How a model infers and is trained: what tells apart the models of one data set.</summary>
    private string MethodOf(ArtifactSpec spec)
    {
        Vae vae = spec.Build(device, runner.Data(spec.Data).DataSize);
        string method = $"{vae.Family.Name}, {vae.Inference.Name}";
        return spec is TrainSpec training ? $"{method}; {training.Rule.Build(vae).Name}" : method;
    }

    private double SecondsPerEpoch(TrainSpec spec)
    {
        LoadedData data = runner.Data(spec.Data);
        Vae vae = spec.Build(device, data.DataSize);
        // What needs validation data acts between epochs, and steps are what is timed.
        TrainerOptions options = spec.OptionsFor(vae) with { Patience = null, KeepBest = false, Decay = null };
        IReadOnlyList<int[]> plan = data.Train.Batches(spec.BatchSize, new RandomStream(spec.Seed, RandomPurpose.Shuffling).At(step: 0));
        int steps = 0, step = 0;
        using var enough = new CancellationTokenSource();
        bool isTimed = false;
        // Batches of long sentences take longer than others, and few may be timed.
        double work = 0, secondsOfWork = 0;
        var watch = Stopwatch.StartNew();
        try
        {
            new Trainer(options).Train(vae, data.Train, null, onStep: _ =>
            {
                steps++;
                work += data.Train.SizeOf(plan[step++ % plan.Count]);
                // Of the warm-up only where the run is over with it.
                secondsOfWork = watch.Elapsed.TotalSeconds / work;
                if (steps < (isTimed ? TimedSteps : WarmUpSteps) && watch.Elapsed < s_enough)
                    return;
                // Where the first step alone takes so long, compilation makes no difference.
                if (isTimed || steps == 1)
                    enough.Cancel();
                isTimed = true;
                (steps, work) = (0, 0);
                watch.Restart();
            }, cancellation: enough.Token);
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
        }
        double perEpoch = secondsOfWork * plan.Sum(batch => data.Train.SizeOf(batch));
        if (data.Validation is { } validation)
        {
            int points = Math.Min(spec.ValidationPoints, validation.Count), probed = Math.Min(points, ValidationPoints);
            var curve = new ValidationCurve(validation, probed, spec.ValidationSamples, new RandomStream(0, RandomPurpose.Evaluation));
            perEpoch += Seconds(() => curve.Evaluate(vae)) * points / Math.Max(1, probed);
        }
        return perEpoch;
    }

    private (double SecondsPerPoint, string Assumption) RateOf(EvaluationSpec spec, CancellationToken cancellation)
    {
        LoadedData data = runner.Data(spec.Artifact.Data);
        Vae vae = runner.Store.FindArtifact(spec.Artifact) is null ? spec.Artifact.Build(device, data.DataSize) : runner.Load(spec.Artifact, cancellation);
        ObservationSource source = data[spec.Split];
        int points = Math.Min(spec.Points, 2 * WorkerPool.AvailableThreads);
        using var scope = MemoryScope.Enter(record: false);
        Observations x = source.Subset(points);
        (Measure probe, double factor) = spec.Measure.CheapPart(vae);
        return (factor * Seconds(() => probe.Run(vae, x, spec.Seed, null, cancellation)) / points, spec.Measure.Assumption(vae));
    }

    /// <summary>The time of the second run, since the first one compiles; of the first where it is so long that compilation does not matter.</summary>
    private static double Seconds(Action work)
    {
        double seconds = Once();
        return seconds > s_enough.TotalSeconds / 2 ? seconds : Once();

        double Once()
        {
            var watch = Stopwatch.StartNew();
            work();
            return watch.Elapsed.TotalSeconds;
        }
    }
}
