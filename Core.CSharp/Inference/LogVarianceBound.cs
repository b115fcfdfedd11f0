using GapLab.Differentiation;

namespace GapLab.Inference;

/// <summary>Log-variances of iterated inference stay within ±15: a wrong step must not make the next ELBO infinite.</summary>
internal static class LogVarianceBound
{
    private const double Largest = 15;

    /// <summary>The nearest number within ±15; x itself, to the bit, where it is within.</summary>
    public static Tensor Apply(Tensor x) => x.Clamp(-Largest, Largest);
}
