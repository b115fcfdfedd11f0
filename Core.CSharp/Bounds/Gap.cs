namespace GapLab.Bounds;

/// <summary>A gap in nats, averaged over datapoints.</summary>
/// <param name="Name">"approximation", "amortization" or "inference".</param>
/// <param name="Value">The average.</param>
/// <param name="Low">The lower end of its bootstrap interval over datapoints.</param>
/// <param name="High">The upper end.</param>
/// <param name="Bias">On which side of the truth it tends to lie.</param>
public sealed record Gap(string Name, double Value, double Low, double High, GapBias Bias);
