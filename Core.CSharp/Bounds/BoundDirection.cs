namespace GapLab.Bounds;

/// <summary>On which side of log p(x) an estimate's expectation lies.</summary>
public enum BoundDirection
{
    /// <summary>At or below log p(x).</summary>
    Lower,

    /// <summary>At or above log p(x).</summary>
    Upper,
}
