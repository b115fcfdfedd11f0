using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Objectives;

/// <summary>Schedules of <see cref="ObjectiveWeights"/> over a training run, for the specification of an experiment.</summary>
public static class Annealing
{
    /// <summary>The ELBO throughout.</summary>
    public static Component<AnnealingPosition, ObjectiveWeights> None { get; } = new("none", revision: 1, null, _ => ObjectiveWeights.Elbo);

    /// <summary>The weight of the entropy grows linearly from 0 to 1 (Cremer et al. 2018, section 5.3.1): min(1, epoch / epochs), with the epoch counted from 0.</summary>
    /// <param name="epochs">How long; 0 for no annealing.</param>
    /// <exception cref="GapLabException">A negative number of epochs.</exception>
    public static Component<AnnealingPosition, ObjectiveWeights> Entropy(int epochs) => Linear("entropy", epochs, ObjectiveWeights.EntropyAnnealing);

    /// <summary>The weight of the KL term grows linearly from 0 to 1 (Bowman et al. 2016): min(1, epoch / epochs), with the epoch counted from 0.</summary>
    /// <param name="epochs">How long; 0 for no annealing.</param>
    /// <exception cref="GapLabException">A negative number of epochs.</exception>
    public static Component<AnnealingPosition, ObjectiveWeights> Kl(int epochs) => Linear("kl", epochs, ObjectiveWeights.KlAnnealing);

    /// <summary>
    /// The weight of the KL term grows from batch to batch (Kim et al. 2018, section 4.2): min(1, start + (1 - start) t / epochs), t the epochs before this batch, in fractions. The paper's own
    /// code has min(1, start + t' / epochs) with this batch counted in t' as well, which reaches 1 after (1 - start) · epochs.
    /// </summary>
    /// <param name="epochs">How long, at least 1.</param>
    /// <param name="start">The weight at first, from 0 to 1.</param>
    /// <param name="asCoded">Whether it grows as in the paper's code.</param>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    public static Component<AnnealingPosition, ObjectiveWeights> KlByBatch(int epochs = 10, double start = 0.1, bool asCoded = false)
    {
        if (epochs < 1 || start is not (>= 0 and <= 1))
            throw new GapLabException($"Annealing by batch needs at least 1 epoch and a weight from 0 to 1 to start at, not {epochs} and {start}.");
        return new("kl-by-batch", revision: 1, new { epochs, start, asCoded = asCoded ? true : (bool?)null }, position => ObjectiveWeights.KlAnnealing(Math.Min(
            1, asCoded ? start + (position.Epochs + 1.0 / position.Batches) / epochs : start + (1 - start) * position.Epochs / epochs)));
    }

    private static Component<AnnealingPosition, ObjectiveWeights> Linear(string name, int epochs, Func<double, ObjectiveWeights> weights)
    {
        if (epochs < 0)
            throw new GapLabException($"Annealing cannot last {epochs} epochs; give 0 or more.");
        return epochs == 0
            ? None
            : new(name, revision: 1, new { epochs }, position => position.Epoch >= epochs ? ObjectiveWeights.Elbo : weights((double)position.Epoch / epochs));
    }
}
