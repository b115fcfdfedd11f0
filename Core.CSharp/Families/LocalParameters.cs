using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// λ: the parameters of q(z | x) that every datapoint has of its own, as blocks [B, n_i] in the order that the family defines.
/// </summary>
public sealed class LocalParameters
{
    /// <summary>Parameters from their blocks.</summary>
    /// <param name="blocks">One tensor [B, n_i] each.</param>
    /// <exception cref="ShapeException">A block is not a matrix, or the blocks have different numbers of rows.</exception>
    public LocalParameters(params Tensor[] blocks)
    {
        foreach (Tensor block in blocks)
            if (block.Shape.Rank != 2 || block.Shape[0] != blocks[0].Shape[0])
                throw new ShapeException($"LocalParameters: the blocks must be matrices with one row a datapoint, not {string.Join(" and ", blocks.Select(b => b.Shape.ToString()))}.");
        Blocks = blocks;
    }

    /// <summary>The blocks [B, n_i].</summary>
    public IReadOnlyList<Tensor> Blocks { get; }

    /// <summary>The number of datapoints, B.</summary>
    public int Count => Blocks[0].Shape[0];

    /// <summary>One block.</summary>
    /// <param name="index">Its position.</param>
    public Tensor this[int index] => Blocks[index];

    /// <summary>The parameters of some datapoints, in the current memory scope.</summary>
    /// <param name="rows">Positions in this batch.</param>
    public LocalParameters Select(params ReadOnlySpan<int> rows)
    {
        var selected = new Tensor[Blocks.Count];
        for (int i = 0; i < selected.Length; i++)
            selected[i] = Blocks[i].GatherRows(rows);
        return new LocalParameters(selected);
    }

    /// <summary>A copy that belongs to the garbage collector.</summary>
    public LocalParameters ToOwned() => new([.. Blocks.Select(block => block.ToOwned())]);
}
