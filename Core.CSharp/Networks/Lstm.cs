using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// A long short-term memory that reads sequences (Hochreiter and Schmidhuber 1997), with the gates in PyTorch's order, inputs that change over time and perhaps some that do not:
/// <code>
/// [i, f, g, o] = V x_t + b + U z + W h_{t-1},  c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g),  h_t = σ(o) ⊙ tanh(c_t)
/// </code>
/// The inputs of all positions are projected by one product, those that do not change once, and samples of a sequence share its inputs.
/// </summary>
public sealed class Lstm
{
    private readonly Linear _inputs;
    private readonly int _state;
    private readonly int? _constant;
    private readonly int _size;

    /// <summary>Adds its parameters to a set, as "name.input.weight" V [4 n, inputs], "name.input.bias" b [4 n], "name.state.weight" W [4 n, n] and, for inputs that do not change, "name.constant.weight" U.</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">The size of x_t.</param>
    /// <param name="size">n, the size of h and c.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="constants">The size of z; 0 for none.</param>
    public Lstm(ParameterSet parameters, string name, int inputs, int size, RandomStream stream, int constants = 0)
    {
        _size = size;
        _inputs = new Linear(parameters, $"{name}.input", inputs, 4 * size, Activation.Identity, stream);
        _state = parameters.Add($"{name}.state.weight", Initialization.GlorotUniform(parameters, stream, 4 * size, size));
        _constant = constants > 0 ? parameters.Add($"{name}.constant.weight", Initialization.GlorotUniform(parameters, stream, 4 * size, constants)) : null;
    }

    /// <summary>The state before the first position: zeros.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">How many sequences, each with its samples.</param>
    public (Tensor Hidden, Tensor Cell) InitialState(Device device, int rows)
    {
        Tensor zeros = Tensor.Filled(device, new Shape(rows, _size), 0);
        return (zeros, zeros);
    }

    /// <summary>What the inputs that do not change add to the gates, U z [R, 4 n]; undefined without any.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="z">z [R, constants].</param>
    public Tensor Project(ParameterSet parameters, Tensor z) => _constant is { } constant ? z.MatMul(parameters[constant], transposeOther: true) : default;

    /// <summary>h_1 ... h_T of all rows, [T R, n], those of the first position first: one matrix, which the next layer multiplies at once.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">x [T B, inputs], the first position of all B sequences first; R is B times the number of samples.</param>
    /// <param name="positions">T.</param>
    /// <param name="first">h_0 [R, n].</param>
    /// <param name="projected">What <see cref="Project"/> gave.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x, int positions, Tensor first, Tensor projected = default) =>
        _inputs.Forward(parameters, x).Lstm(parameters[_state], first, positions, projected);

    /// <summary>h' and c' [R, n] after one more position, with one sample of each sequence.</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">x [R, inputs].</param>
    /// <param name="state">h and c.</param>
    /// <param name="projected">What <see cref="Project"/> gave.</param>
    public (Tensor Hidden, Tensor Cell) Step(ParameterSet parameters, Tensor x, (Tensor Hidden, Tensor Cell) state, Tensor projected = default)
    {
        Tensor gates = state.Hidden.MatMul(parameters[_state], transposeOther: true) + _inputs.Forward(parameters, x);
        return (projected.IsDefined ? gates + projected : gates).LstmCell(state.Cell);
    }
}
