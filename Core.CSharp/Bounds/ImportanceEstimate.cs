namespace GapLab.Bounds;

/// <summary>What one set of importance samples says of every datapoint.</summary>
/// <param name="Elbo">The mean of the log-weights: L[q]. Never above <see cref="Iwae"/>, as both come from the same weights.</param>
/// <param name="Iwae">The log of the mean weight: the importance-weighted bound.</param>
/// <param name="EffectiveSampleSizes">Kish's effective number of samples of every datapoint.</param>
public sealed record ImportanceEstimate(BoundEstimate Elbo, BoundEstimate Iwae, double[] EffectiveSampleSizes);
