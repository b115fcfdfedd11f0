using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// One step of a long short-term memory (Hochreiter and Schmidhuber 1997), with the gates in PyTorch's order:
/// <code>
/// [i, f, g, o] = W [x, h] + b
/// c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g),  h' = σ(o) ⊙ tanh(c')
/// </code>
/// </summary>
public sealed class LstmCell
{
    private readonly Linear _gates;
    private readonly int _size;

    /// <summary>Adds the cell's parameters to a set, as "name.weight" [4 n, inputs + n] and "name.bias" [4 n].</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The cell's name.</param>
    /// <param name="inputs">The size of x.</param>
    /// <param name="size">n, the size of h and c.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public LstmCell(ParameterSet parameters, string name, int inputs, int size, RandomStream stream)
    {
        _size = size;
        _gates = new Linear(parameters, name, inputs + size, 4 * size, Activation.Identity, stream);
    }

    /// <summary>The state before the first step: zeros.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">How many sequences.</param>
    public (Tensor Hidden, Tensor Cell) InitialState(Device device, int rows)
    {
        Tensor zeros = Tensor.Filled(device, new Shape(rows, _size), 0);
        return (zeros, zeros);
    }

    /// <summary>h' and c' [rows, n].</summary>
    /// <param name="parameters">The set the cell belongs to, or one of the same names with other values.</param>
    /// <param name="x">x [rows, inputs].</param>
    /// <param name="state">h and c.</param>
    public (Tensor Hidden, Tensor Cell) Forward(ParameterSet parameters, Tensor x, (Tensor Hidden, Tensor Cell) state) =>
        _gates.Forward(parameters, Tensor.Concatenate(x, state.Hidden)).LstmCell(state.Cell);
}
