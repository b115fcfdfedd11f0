using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>Exact second derivatives by differentiating a gradient.</summary>
public static class HessianVectorProduct
{
    /// <summary>
    /// For a scalar or a vector y of independent rows, f = Σ y: the products H_wu v = ∂/∂w (∂f/∂u · v) for the directions v of the tensors u.
    /// </summary>
    /// <param name="y">The differentiated tensor.</param>
    /// <param name="u">The tensors whose gradient is taken first.</param>
    /// <param name="v">A direction for each of them, of the same shape; a constant, also where it was computed from u or w.</param>
    /// <param name="w">The tensors whose second derivatives are wanted.</param>
    /// <param name="gradients">Receives ∂f/∂u.</param>
    /// <param name="products">Receives H_wu v, in the order and with the shapes of <paramref name="w"/>.</param>
    /// <exception cref="ShapeException">A direction's shape differs from its tensor's.</exception>
    public static void Of(Tensor y, ReadOnlySpan<Tensor> u, ReadOnlySpan<Tensor> v, ReadOnlySpan<Tensor> w, Span<Tensor> gradients, Span<Tensor> products)
    {
        if (v.Length != u.Length)
            throw new ShapeException($"HessianVectorProduct: {u.Length} tensors, but {v.Length} directions.");
        for (int i = 0; i < u.Length; i++)
            if (v[i].Shape != u[i].Shape)
                throw new ShapeException($"HessianVectorProduct: direction {i} has shape {v[i].Shape}, its tensor {u[i].Shape}.");
        Gradient.Of(y, u, gradients, createGraph: true);
        Tensor directional = default;
        for (int i = 0; i < u.Length; i++)
        {
            Tensor term = (gradients[i] * v[i].Detach()).Sum();
            directional = i == 0 ? term : directional + term;
        }
        Gradient.Of(directional, w, products);
    }
}
