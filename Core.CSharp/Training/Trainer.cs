using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;

namespace GapLab.Training;

/// <summary>
/// Stochastic gradient ascent on an objective over minibatches. The result is a function of the initial parameters, the data and the seed: not of the
/// number of threads. In steady state a step's tensors take the same memory each time.
/// </summary>
/// <param name="options">The settings.</param>
public sealed class Trainer(TrainerOptions options)
{
    private const int ValidationBatch = 500;

    /// <summary>Trains a model in place.</summary>
    /// <param name="vae">What is trained.</param>
    /// <param name="train">The training data.</param>
    /// <param name="validation">Data whose ELBO is reported after every epoch; null for none.</param>
    /// <param name="onEpoch">Told after every epoch.</param>
    /// <param name="onStep">Told after every step which fraction of the run is done.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="GapLabException">An option makes no sense, or the objective is not finite: names the epoch, the step and the parameter that is not finite.</exception>
    public void Train(
        Vae vae, ObservationSource train, ObservationSource? validation,
        Action<EpochReport>? onEpoch = null, Action<double>? onStep = null, CancellationToken cancellation = default)
    {
        if (options.BatchSize < 1 || options.Schedule.Epochs < 1 || train.Count < 1)
            throw new GapLabException($"Training needs datapoints, epochs and a batch size of at least 1, not {train.Count}, {options.Schedule.Epochs} and {options.BatchSize}.");
        var adam = new Adam(vae.Parameters, options.Adam);
        var noise = new RandomStream(options.Seed, RandomPurpose.TrainingNoise);
        var shuffling = new RandomStream(options.Seed, RandomPurpose.Shuffling);
        var gradients = new Tensor[vae.Parameters.Count];
        var order = new int[train.Count];
        int epochs = options.Schedule.Epochs, step = 0;
        int batches = (train.Count + options.BatchSize - 1) / options.BatchSize;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            (int stage, bool isFirst) = options.Schedule.At(epoch);
            adam.LearningRate = options.Schedule.Stages[stage].LearningRate;
            if (isFirst && options.ResetMomentsAtStages)
                adam.Reset();
            ObjectiveWeights weights = options.Weights(epoch);
            for (int i = 0; i < order.Length; i++)
                order[i] = i;
            shuffling.At(step: epoch).Shuffle(order);
            double sum = 0;
            for (int batch = 0; batch < batches; batch++, step++)
            {
                cancellation.ThrowIfCancellationRequested();
                ReadOnlySpan<int> indices = order.AsSpan()[(batch * options.BatchSize)..Math.Min(order.Length, (batch + 1) * options.BatchSize)];
                using var scope = MemoryScope.Enter();
                Observations x = train.Batch(indices, epoch);
                double value = options.Rule.Gradients(vae, x, noise, step, weights, gradients).Sum().ToDouble();
                if (!double.IsFinite(value))
                    throw new GapLabException($"Training stopped at epoch {epoch + 1}, step {step + 1}: the objective is {value}{FirstNotFinite(vae)}; use a smaller learning rate.");
                sum += value;
                adam.Ascend(gradients);
                onStep?.Invoke((epoch * (double)batches + batch + 1) / (epochs * (double)batches));
            }
            onEpoch?.Invoke(new EpochReport(epoch + 1, epochs, sum / train.Count, validation is null ? double.NaN : Elbo(vae, validation, epoch)));
        }
    }

    /// <summary>Which parameter an earlier step has spoilt, for the message.</summary>
    private static string FirstNotFinite(Vae vae)
    {
        for (int i = 0; i < vae.Parameters.Count; i++)
            if (!vae.Parameters[i].ToArray().All(double.IsFinite))
                return $" and the parameter '{vae.ParameterNames[i]}' is not finite";
        return "";
    }

    /// <summary>The mean ELBO of a data set, one sample a datapoint.</summary>
    private double Elbo(Vae vae, ObservationSource source, int epoch)
    {
        var stream = new RandomStream(options.Seed, RandomPurpose.Evaluation);
        double sum = 0;
        for (int start = 0; start < source.Count; start += ValidationBatch)
        {
            using var scope = MemoryScope.Enter(record: false);
            Observations x = source.Batch([.. Enumerable.Range(start, Math.Min(ValidationBatch, source.Count - start))]);
            LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream.Fork(1), epoch).Final;
            var noise = new Noise(x, stream, 1, epoch);
            sum += new ElboObjective(vae.Model, vae.Family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic).Value(lambda).Sum().ToDouble();
        }
        return source.Count == 0 ? double.NaN : sum / source.Count;
    }
}
