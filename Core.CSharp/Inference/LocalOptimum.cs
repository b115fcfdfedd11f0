using GapLab.Families;

namespace GapLab.Inference;

/// <summary>The result of optimising every datapoint's own q.</summary>
/// <param name="Lambda">λ* at the best check of every datapoint. Its value at that check is optimistic, having been chosen as the best: evaluate it anew.</param>
/// <param name="Families">The family of every datapoint's q*: the given one, or, if that has shared parameters, one with the values found for this datapoint.</param>
/// <param name="Steps">How many steps every datapoint took.</param>
/// <param name="Converged">Whether a datapoint ended by the stopping rule, and neither by the limit on steps nor because the objective was no longer finite.</param>
public sealed record LocalOptimum(LocalParameters Lambda, IReadOnlyList<VariationalFamily> Families, int[] Steps, bool[] Converged)
{
    /// <summary>How many datapoints ended by the stopping rule.</summary>
    public int ConvergedCount => Converged.Count(converged => converged);
}
