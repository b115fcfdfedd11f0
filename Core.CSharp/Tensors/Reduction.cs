namespace GapLab.Tensors;

/// <summary>How the numbers along an axis become one.</summary>
public enum Reduction
{
    /// <summary>Their sum, accumulated in float64 whatever the element types are. An empty sum is 0.</summary>
    Sum,

    /// <summary>The largest; NaN if any is NaN. An empty maximum is -∞.</summary>
    Max,
}
