using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>Networks of images hold so many numbers for each row that large batches are computed in pieces where no gradient needs the numbers between.</summary>
internal static class RowPieces
{
    /// <summary>
    /// What a network makes of rows, [rows, ...]: at once where it is recorded or where there are few of them, else piece by piece, each in a memory scope of its own. The result is the same, since no row
    /// depends on another.
    /// </summary>
    /// <param name="rows">How many rows.</param>
    /// <param name="atOnce">How many of them a piece has at most, at least 1.</param>
    /// <param name="compute">The network's output for a number of rows from one on.</param>
    public static Tensor Compute(int rows, int atOnce, Func<int, int, Tensor> compute)
    {
        if (rows <= atOnce || MemoryScope.IsRecording || MemoryScope.Current is null)
            return compute(0, rows);
        var pieces = new List<Tensor>();
        Shape shape = default;
        for (int first = 0; first < rows; first += atOnce)
        {
            using var scope = MemoryScope.Enter(record: false);
            Tensor piece = compute(first, Math.Min(atOnce, rows - first));
            shape = piece.Shape;
            pieces.Add(scope.Keep(piece.Reshape(1, piece.Count)));
        }
        return Tensor.Concatenate(pieces.ToArray()).Reshape(shape.With(0, rows));
    }

    /// <summary>The numbers first, first + 1, ...</summary>
    public static int[] Range(int first, int count) => [.. Enumerable.Range(first, count)];
}
