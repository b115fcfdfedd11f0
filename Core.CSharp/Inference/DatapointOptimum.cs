using GapLab.Distributions;
using GapLab.Families;

namespace GapLab.Inference;

/// <summary>The result of optimising one datapoint's own q, in memory that is reused for the next one.</summary>
/// <param name="X">The datapoint.</param>
/// <param name="Family">The family; where it has shared parameters, with the values found for this datapoint.</param>
/// <param name="Lambda">λ* at the best check. Its value at that check is optimistic, having been chosen as the best: evaluate it anew.</param>
/// <param name="Steps">How many steps were taken.</param>
/// <param name="Converged">Whether the stopping rule ended them, and neither the limit on steps nor an objective that was no longer finite.</param>
public sealed record DatapointOptimum(Observations X, VariationalFamily Family, LocalParameters Lambda, int Steps, bool Converged);
