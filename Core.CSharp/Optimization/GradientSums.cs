using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>Weighted sums of the gradients of several objectives with respect to the same parameters, added up in place, all tensors in one pass. They belong to the memory scope they were made in.</summary>
/// <param name="parameters">The parameters; sums start at zero.</param>
public sealed class GradientSums(IReadOnlyList<Tensor> parameters)
{
    private readonly Tensor[] _sums = [.. parameters.Select(parameter => Tensor.Filled(parameter.Device, parameter.Shape, 0, parameter.Type))];

    /// <summary>Adds scaled gradients of some parameters.</summary>
    /// <param name="first">The position of the first parameter that they belong to.</param>
    /// <param name="gradients">One for each parameter from there on; may be fewer than there are left.</param>
    /// <param name="scale">What they are multiplied by.</param>
    /// <exception cref="ShapeException">More gradients than parameters, or another shape, type or device.</exception>
    public void Add(int first, ReadOnlySpan<Tensor> gradients, double scale)
    {
        if (first < 0 || first + gradients.Length > _sums.Length)
            throw new ShapeException($"GradientSums: {gradients.Length} gradients from parameter {first} on do not fit {_sums.Length} parameters.");
        AddTo(_sums.AsSpan(first, gradients.Length), gradients, scale, first);
    }

    /// <summary>Adds scaled gradients to given sums, which are changed in place.</summary>
    /// <param name="sums">Tensors that were not computed from others.</param>
    /// <param name="gradients">One for each of them.</param>
    /// <param name="scale">What they are multiplied by.</param>
    /// <exception cref="ShapeException">Another number of gradients, or another shape, type or device.</exception>
    public static void AddTo(ReadOnlySpan<Tensor> sums, ReadOnlySpan<Tensor> gradients, double scale) => AddTo(sums, gradients, scale, 0);

    private static void AddTo(ReadOnlySpan<Tensor> sums, ReadOnlySpan<Tensor> gradients, double scale, int first)
    {
        if (gradients.Length != sums.Length)
            throw new ShapeException($"GradientSums: {gradients.Length} gradients for {sums.Length} sums.");
        if (gradients.IsEmpty)
            return;
        var pairs = new ParameterUpdate[gradients.Length];
        for (int i = 0; i < pairs.Length; i++)
        {
            Tensor sum = sums[i], gradient = gradients[i];
            if (gradient.Shape != sum.Shape || gradient.Type != sum.Type || !ReferenceEquals(gradient.Device, sum.Device))
                throw new ShapeException($"GradientSums: gradient {first + i}, {gradient.Type} {gradient.Shape} on '{gradient.Device}', does not fit its parameter, {sum.Type} {sum.Shape} on '{sum.Device}'.");
            pairs[i] = new ParameterUpdate(sum.ForUpdate("GradientSums"), gradient.StorageOf("GradientSums"));
        }
        sums[0].Device.AddScaled(scale, pairs);
        for (int i = 0; i < pairs.Length; i++)
        {
            GC.KeepAlive(gradients[i].Scope);
            GC.KeepAlive(sums[i].Scope);
        }
    }

    /// <summary>The sums so far, in the parameters' order.</summary>
    /// <param name="gradients">As many tensors as there are parameters.</param>
    public void CopyTo(Span<Tensor> gradients) => _sums.CopyTo(gradients);
}
