using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>Gradients that are not finite stop inference where they arise, before they turn into estimates that are no numbers.</summary>
internal static class GradientCheck
{
    /// <summary>Whether all elements are finite.</summary>
    public static bool IsFinite(Tensor tensor) =>
        // 0 times what is not finite is no number.
        !double.IsNaN((tensor * 0).Sum().ToDouble());

    /// <summary>Throws if a gradient with respect to λ is not finite.</summary>
    /// <param name="method">Whose gradients they are, for the message.</param>
    /// <param name="blocks">The names of λ's blocks.</param>
    /// <param name="gradients">One for each block; none where none were computed.</param>
    /// <param name="iteration">The iteration that needs them, from 1.</param>
    /// <param name="advice">What to do.</param>
    /// <exception cref="GapLabException">Names the block and the iteration.</exception>
    public static void RequireFinite(string method, IReadOnlyList<LocalBlock> blocks, ReadOnlySpan<Tensor> gradients, int iteration, string advice)
    {
        for (int i = 0; i < gradients.Length; i++)
            if (!IsFinite(gradients[i]))
                throw new GapLabException($"{method}: the gradient with respect to '{blocks[i].Name}' is not finite in iteration {iteration}; {advice}.");
    }
}
