using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Objectives;

/// <summary>Schedules of <see cref="ObjectiveWeights"/> over the epochs of a training run, counted from 0, for the specification of an experiment.</summary>
public static class Annealing
{
    /// <summary>The ELBO throughout.</summary>
    public static Component<int, ObjectiveWeights> None { get; } = new("none", revision: 1, null, _ => ObjectiveWeights.Elbo);

    /// <summary>The weight of the entropy grows linearly from 0 to 1 (Cremer et al. 2018, section 5.3.1): min(1, epoch / epochs).</summary>
    /// <param name="epochs">How long; 0 for no annealing.</param>
    /// <exception cref="GapLabException">A negative number of epochs.</exception>
    public static Component<int, ObjectiveWeights> Entropy(int epochs) => Linear("entropy", epochs, ObjectiveWeights.EntropyAnnealing);

    /// <summary>The weight of the KL term grows linearly from 0 to 1 (Bowman et al. 2016): min(1, epoch / epochs).</summary>
    /// <param name="epochs">How long; 0 for no annealing.</param>
    /// <exception cref="GapLabException">A negative number of epochs.</exception>
    public static Component<int, ObjectiveWeights> Kl(int epochs) => Linear("kl", epochs, ObjectiveWeights.KlAnnealing);

    private static Component<int, ObjectiveWeights> Linear(string name, int epochs, Func<double, ObjectiveWeights> weights)
    {
        if (epochs < 0)
            throw new GapLabException($"Annealing cannot last {epochs} epochs; give 0 or more.");
        return epochs == 0 ? None : new(name, revision: 1, new { epochs }, epoch => epoch >= epochs ? ObjectiveWeights.Elbo : weights((double)epoch / epochs));
    }
}
