namespace GapLab.Optimization;

/// <summary>The settings of <see cref="Adam"/>.</summary>
public sealed record AdamOptions
{
    /// <summary>The step size.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The decay β₁ of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>The decay β₂ of the second moment.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε, added to the root of the second moment. Burda et al.'s code uses 1e-4.</summary>
    public double Epsilon { get; init; } = 1e-8;
}
