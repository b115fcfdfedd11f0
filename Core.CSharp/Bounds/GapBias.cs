namespace GapLab.Bounds;

/// <summary>On which side of the true gap its estimate tends to lie.</summary>
public enum GapBias
{
    /// <summary>The estimate tends to be too small.</summary>
    Underestimate,

    /// <summary>Both ends of the gap are underestimated; which error is larger is not known.</summary>
    Undetermined,
}
