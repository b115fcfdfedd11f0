using GapLab.Families;

namespace GapLab.Inference;

/// <summary>The points λ₀, ..., λ_K that an inference method passes through.</summary>
/// <param name="points">At least one; the last is the method's answer.</param>
public sealed class InferenceTrace(params LocalParameters[] points)
{
    /// <summary>λ₀, ..., λ_K.</summary>
    public IReadOnlyList<LocalParameters> Points { get; } = points;

    /// <summary>λ_K.</summary>
    public LocalParameters Final => Points[^1];
}
