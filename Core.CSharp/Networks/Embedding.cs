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
    /// <param name="ids">The words.</param>
    public Tensor Forward(ParameterSet parameters, ReadOnlyMemory<int> ids)
    {
        Tensor table = parameters[_weight];
        var oneHot = new float[ids.Length * table.Shape[0]];
        for (int i = 0; i < ids.Length; i++)
            oneHot[i * table.Shape[0] + ids.Span[i]] = 1;
        return Tensor.Create(table.Device, new Shape(ids.Length, table.Shape[0]), oneHot).MatMul(table);
    }
}
