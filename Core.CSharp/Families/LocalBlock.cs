namespace GapLab.Families;

/// <summary>One block of a family's local parameters.</summary>
/// <param name="Name">For parameter names: "mean", "logVariance".</param>
/// <param name="Size">Its numbers for each datapoint.</param>
public readonly record struct LocalBlock(string Name, int Size);
