namespace GapLab.Benchmarks;

/// <summary>Work of the kind that experiments consist of, with the operations that it cannot do without.</summary>
/// <param name="Key">Its name in PyTorch's program.</param>
/// <param name="Name">Its name in tables.</param>
/// <param name="Formula">
/// How operations are counted: only products of the layers, 2 M N K each. E and G stand for the weights of encoder and decoder, Q for those of a flow.
/// </param>
/// <param name="Operations">Operations of one unit.</param>
/// <param name="Run">Does some units of work.</param>
/// <param name="Units">How many.</param>
internal sealed record Workload(string Key, string Name, string Formula, double Operations, Action Run, int Units = 1)
{
    /// <summary>The required fraction of the limit.</summary>
    public double? FractionFloor { get; init; }

    /// <summary>The required speed relative to PyTorch.</summary>
    public double? RatioFloor { get; init; }
}
