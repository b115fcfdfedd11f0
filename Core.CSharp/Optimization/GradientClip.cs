using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>
/// Gradients scaled down where their 2-norm is too large: by min(1, threshold / (norm + 1e-6)). Below the threshold they stay as they are, to the bit. The summand is that of the code of
/// Kim et al. 2018.
/// </summary>
public static class GradientClip
{
    private const double Summand = 1e-6;

    /// <summary>The 2-norm of all elements of some tensors together.</summary>
    /// <param name="tensors">The tensors.</param>
    public static double Norm(params ReadOnlySpan<Tensor> tensors)
    {
        double sum = 0;
        foreach (Tensor tensor in tensors)
        {
            double squares = tensor.Square().Sum().ToDouble();
            // The squares of large numbers in single precision are infinite, those in double precision are not.
            sum += double.IsFinite(squares) ? squares : tensor.To(ElementType.Float64).Square().Sum().ToDouble();
        }
        return Math.Sqrt(sum);
    }

    /// <summary>The factor that all tensors together are clipped by, for those who multiply them later; no number where the norm is none, as nothing should hide that.</summary>
    /// <param name="gradients">The gradients.</param>
    /// <param name="threshold">The largest norm.</param>
    public static double Factor(ReadOnlySpan<Tensor> gradients, double threshold)
    {
        double factor = threshold / (Norm(gradients) + Summand);
        return factor >= 1 ? 1 : factor;
    }

    /// <summary>All tensors by one factor, from the norm of all their elements.</summary>
    /// <param name="gradients">The gradients; replaced by clipped ones in the current memory scope.</param>
    /// <param name="threshold">The largest norm.</param>
    public static void Jointly(Span<Tensor> gradients, double threshold)
    {
        double factor = Factor(gradients, threshold);
        if (factor == 1)
            return;
        for (int i = 0; i < gradients.Length; i++)
            gradients[i] *= factor;
    }

    /// <summary>Every row by its own factor, from the norm of that row in all tensors.</summary>
    /// <param name="gradients">Matrices with the same number of rows; replaced by clipped ones in the current memory scope.</param>
    /// <param name="threshold">The largest norm of a row.</param>
    public static void ByRow(Span<Tensor> gradients, double threshold)
    {
        Tensor sum = default;
        foreach (Tensor gradient in gradients)
        {
            Tensor squares = gradient.To(ElementType.Float64).Square().Sum(1);
            sum = sum.IsDefined ? sum + squares : squares;
        }
        Tensor factor = (threshold * (sum.Sqrt() + Summand).Reciprocal() - 1).NegativePart() + 1;
        for (int i = 0; i < gradients.Length; i++)
            gradients[i] *= factor.To(gradients[i].Type).Reshape(gradients[i].Shape[0], 1);
    }
}
