namespace GapLab.Optimization;

/// <summary>The settings of <see cref="Sgd"/> but for the learning rate.</summary>
public sealed record SgdOptions
{
    /// <summary>What is left of the last step in the next one, from 0 to below 1.</summary>
    public double Momentum { get; init; }
}
