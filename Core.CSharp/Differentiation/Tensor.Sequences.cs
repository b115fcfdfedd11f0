using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

public readonly partial struct Tensor
{
    /// <summary>Row ids[i] of this table [V, E] for every i, [N, E]: vectors of words. A row may be chosen often, and its gradient is the sum over its uses.</summary>
    /// <param name="ids">Row numbers, which must not be changed before gradients are taken.</param>
    /// <exception cref="ShapeException">Not a table, or it has no such row; the message says which and where.</exception>
    public Tensor Embed(ReadOnlyMemory<int> ids) => EmbeddingOperation.Instance.Apply(this, ids);

    /// <summary>
    /// a[r, id_r] - log Σ_v e^a[r, v] in nats, [N] float64: log-probabilities of words with logits a = h Wᵀ + b, for h [N, k] (this tensor), W [V, k], b [V]. Finite for all finite logits.
    /// </summary>
    /// <param name="weight">W.</param>
    /// <param name="bias">b.</param>
    /// <param name="ids">The word of every row, 0 to V - 1; not to be changed before gradients are taken.</param>
    /// <exception cref="ShapeException">The sizes do not fit, or a word is outside the vocabulary; the message says which and where.</exception>
    public Tensor LinearCategoricalLogLikelihood(Tensor weight, Tensor bias, ReadOnlyMemory<int> ids) =>
        LinearCategoricalOperation.Instance.Apply(this, weight, bias, ids);

    /// <summary>
    /// The states h_1 ... h_T of a long short-term memory (Hochreiter and Schmidhuber 1997), [T R, n] with the rows of the first step first, for R = B S rows that come from B sequences with S samples each:
    /// <code>
    /// [i, f, g, o] = x_t[r / S] + s[r] + W h_{t-1},  c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g),  h_t = σ(o) ⊙ tanh(c_t)
    /// </code>
    /// with c_0 = 0. Inputs (this tensor) are x [T B, 4 n], projected and with biases, the rows of the first step first; samples share them.
    /// </summary>
    /// <param name="weight">W [4 n, n].</param>
    /// <param name="first">h_0 [R, n].</param>
    /// <param name="steps">T.</param>
    /// <param name="shift">s [R, 4 n], what does not change over time; undefined for none.</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor Lstm(Tensor weight, Tensor first, int steps, Tensor shift = default) => LstmOperation.Instance.Apply(this, weight, first, shift, steps);

    /// <summary>h' and c' [N, n] of one step of a long short-term memory, from its pre-activations [i, f, g, o] [N, 4 n] (this tensor).</summary>
    /// <param name="cell">c [N, n].</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public (Tensor Hidden, Tensor Cell) LstmCell(Tensor cell)
    {
        Tensor both = LstmCellOperation.Instance.Apply(this, cell);
        int n = cell.Shape[1];
        return (both.Columns(0, n), both.Columns(n, n));
    }
}
