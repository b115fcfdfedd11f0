using GapLab.Differentiation;
using GapLab.Families;

namespace GapLab.Objectives;

/// <summary>First and second derivatives of an objective f, summed over the batch; a datapoint's own gradient is its row.</summary>
public static class ObjectiveDerivatives
{
    /// <summary>The values and ∂f/∂λ, one gradient for each block of λ; θ's gradients are not computed.</summary>
    /// <param name="objective">f.</param>
    /// <param name="lambda">λ.</param>
    /// <param name="gradients">Receives a gradient for each block.</param>
    /// <returns>f for each datapoint, [B].</returns>
    public static Tensor Gradient(this IObjective objective, LocalParameters lambda, Span<Tensor> gradients)
    {
        Tensor value = objective.Value(lambda);
        Differentiation.Gradient.Of(value, [.. lambda.Blocks], gradients);
        return value;
    }

    /// <summary>
    /// H_λλ v and H_θλ v, exactly: the derivatives with respect to λ and θ of the directional derivative ∂f/∂λ · v.
    /// </summary>
    /// <param name="objective">f.</param>
    /// <param name="lambda">λ.</param>
    /// <param name="direction">v, one tensor for each block of λ.</param>
    /// <param name="lambdaProducts">Receives H_λλ v, one tensor for each block.</param>
    /// <param name="parameterProducts">Receives H_θλ v, one tensor for each of the objective's parameters.</param>
    public static void HessianVectorProduct(
        this IObjective objective, LocalParameters lambda, ReadOnlySpan<Tensor> direction, Span<Tensor> lambdaProducts, Span<Tensor> parameterProducts)
    {
        Tensor[] blocks = [.. lambda.Blocks];
        Tensor[] wanted = [.. blocks, .. objective.Parameters];
        var gradients = new Tensor[blocks.Length];
        var products = new Tensor[wanted.Length];
        Differentiation.HessianVectorProduct.Of(objective.Value(lambda), blocks, direction, wanted, gradients, products);
        products.AsSpan(0, blocks.Length).CopyTo(lambdaProducts);
        products.AsSpan(blocks.Length).CopyTo(parameterProducts);
    }
}
