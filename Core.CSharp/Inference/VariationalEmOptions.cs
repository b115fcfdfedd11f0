namespace GapLab.Inference;

/// <summary>The settings of <see cref="VariationalEm"/>.</summary>
public sealed record VariationalEmOptions
{
    /// <summary>How steps are made of gradients.</summary>
    public AscentRule Rule { get; init; } = AscentRule.Sgd;

    /// <summary>The step size.</summary>
    public double StepSize { get; init; } = 0.1;

    /// <summary>K, the number of steps.</summary>
    public int Iterations { get; init; } = 5;

    /// <summary>Samples of q in each step.</summary>
    public int Samples { get; init; } = 1;
}
