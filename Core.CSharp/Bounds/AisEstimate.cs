namespace GapLab.Bounds;

/// <summary>The result of annealed importance sampling.</summary>
/// <param name="LogMarginal">log p̂(x), a lower bound in expectation.</param>
/// <param name="AcceptanceRates">The fraction of accepted moves of every datapoint; far from 0.4 to 0.9 the estimate deserves no trust.</param>
/// <param name="EffectiveSampleSizes">Kish's effective number of chains of every datapoint.</param>
public sealed record AisEstimate(BoundEstimate LogMarginal, double[] AcceptanceRates, double[] EffectiveSampleSizes);
