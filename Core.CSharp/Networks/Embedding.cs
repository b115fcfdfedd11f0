using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>A vector for each word.</summary>
public sealed class Embedding
{
    private readonly int _weight;

    /// <summary>Adds the table "name.weight" [count, size] to a set.</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="count">How many words there are.</param>
    /// <param name="size">The size of a vector.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public Embedding(ParameterSet parameters, string name, int count, int size, RandomStream stream) =>
        _weight = parameters.Add($"{name}.weight", Initialization.GlorotUniform(parameters, stream, count, size));

    /// <summary>The vectors of words, [N, size].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="ids">The words, which must not be changed before gradients are taken.</param>
    /// <exception cref="ShapeException">A word outside the table.</exception>
    public Tensor Forward(ParameterSet parameters, ReadOnlyMemory<int> ids) => parameters[_weight].Embed(ids);
}
