using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Samples of the latent variables: one block z_l [B, S, n_l] a level, level 0 nearest to the data. Rows of different samples of one
/// datapoint lie next to each other.
/// </summary>
/// <param name="levels">The blocks, from the level nearest to the data upwards.</param>
public sealed class Latents(params Tensor[] levels)
{
    /// <summary>The blocks.</summary>
    public IReadOnlyList<Tensor> Levels { get; } = levels;

    /// <summary>One level's block [B, S, n_l].</summary>
    /// <param name="level">0 is nearest to the data.</param>
    public Tensor this[int level] => Levels[level];

    /// <summary>The samples of some datapoints, in the current memory scope.</summary>
    /// <param name="rows">Positions in this batch.</param>
    public Latents Select(params ReadOnlySpan<int> rows)
    {
        var selected = new Tensor[Levels.Count];
        for (int i = 0; i < selected.Length; i++)
        {
            Shape shape = Levels[i].Shape;
            selected[i] = Levels[i].Reshape(shape[0], shape[1] * shape[2]).GatherRows(rows).Reshape(rows.Length, shape[1], shape[2]);
        }
        return new Latents(selected);
    }
}
