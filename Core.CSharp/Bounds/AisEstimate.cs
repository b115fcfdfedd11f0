namespace GapLab.Bounds;

/// <summary>The result of annealed importance sampling in one direction.</summary>
/// <param name="LogMarginal">log p̂(x): a lower bound in expectation, or an upper one if the chains ran backwards from exact posterior samples.</param>
/// <param name="AcceptanceRates">The fraction of accepted moves of every datapoint; far from 0.4 to 0.9 the estimate deserves no trust.</param>
/// <param name="EffectiveSampleSizes">Kish's effective number of chains of every datapoint.</param>
/// <param name="IsCertified">Whether the expectation is certain to be a bound: with frozen steps. Steps that adapt to their own chain bias the weights a little.</param>
public sealed record AisEstimate(BoundEstimate LogMarginal, double[] AcceptanceRates, double[] EffectiveSampleSizes, bool IsCertified);
