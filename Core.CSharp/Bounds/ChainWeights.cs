namespace GapLab.Bounds;

/// <summary>What the chains of one datapoint bring home.</summary>
/// <param name="LogWeights">w, one a chain.</param>
/// <param name="AcceptanceRate">The fraction of accepted moves; 1 if none was made.</param>
internal readonly record struct ChainWeights(double[] LogWeights, double AcceptanceRate);
