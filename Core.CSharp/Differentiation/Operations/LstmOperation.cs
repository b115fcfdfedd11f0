using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// h_1 ... h_T of an LSTM, with pre-activations a_t = x_t[r / S] + s[r] + h_{t-1} Wᵀ of which the inputs x are given for all steps, from c_0 = 0. Only the product with W and one pass over the gates are done step by
/// step: the gradient of W is one product over all steps.
/// </summary>
internal sealed class LstmOperation : Operation
{
    public static readonly LstmOperation Instance = new();

    public override string Name => "Lstm";

    public Tensor Apply(Tensor inputs, Tensor weight, Tensor first, Tensor shift, int steps)
    {
        Device device = CommonDevice(Name, inputs, weight);
        CommonDevice(Name, weight, first);
        CommonType(Name, inputs, weight);
        CommonType(Name, weight, first);
        if (shift.IsDefined)
        {
            CommonDevice(Name, weight, shift);
            CommonType(Name, weight, shift);
        }
        int rows = first.Shape[0], n = first.Shape[-1];
        if (first.Shape.Rank != 2 || weight.Shape != new Shape(4 * n, n) || inputs.Shape.Rank != 2 || inputs.Shape[1] != 4 * n || steps < 1 || inputs.Shape[0] % steps != 0
            || inputs.Shape[0] == 0 || rows % (inputs.Shape[0] / steps) != 0 || (shift.IsDefined && shift.Shape != new Shape(rows, 4 * n)))
            throw new ShapeException(
                $"{Name}: inputs {inputs.Shape} of {steps} steps, weights {weight.Shape} and a first state {first.Shape}{(shift.IsDefined ? $" with a shift of shape {shift.Shape}" : "")} do not fit; inputs have a row of 4 n "
                + "numbers for each step and sequence, weights [4 n, n], the state a whole number of rows [n] and the shift one of [4 n] for each sequence.");
        int sequences = inputs.Shape[0] / steps, state = rows * n;
        bool records = MemoryScope.IsRecording;
        weight.Pack();
        // Without a tape, a step's gates and the cells before the last are never needed again.
        int kept = records ? steps : 1;
        Tensor h = Allocate(device, new Shape(steps * rows, n), first.Type, out Storage hidden);
        Tensor gates = Allocate(device, new Shape(kept * rows, 4 * n), first.Type, out Storage activations);
        Tensor cells = Allocate(device, new Shape((kept + 1) * rows, n), first.Type, out Storage memory);
        device.Fill(memory.Slice(0, state), 0);
        Storage before = first.StorageOf(Name), x = inputs.StorageOf(Name), constant = shift.IsDefined ? shift.StorageOf(Name) : default;
        for (int t = 0; t < steps; t++)
        {
            Storage now = activations.Slice((records ? t : 0) * 4 * state, 4 * state), after = hidden.Slice(t * state, state);
            device.MatrixProduct(before, false, weight.StorageOf(Name), true, weight.Packed, now, rows, 4 * n, n);
            device.LstmStep(
                now, x.Slice(t * sequences * 4 * n, sequences * 4 * n), rows / sequences, constant,
                memory.Slice((records ? t : t % 2) * state, state), memory.Slice((records ? t + 1 : (t + 1) % 2) * state, state), after, rows, n);
            before = after;
        }
        if (records)
            MemoryScope.SaveSequence(h, new LstmTape(steps, gates, cells, h));
        return shift.IsDefined ? Record(h, default, weight, first, inputs, shift) : Record(h, default, weight, first, inputs);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor weight = context.Input(0), first = context.Input(1), inputs = context.Input(2), shift = context.InputCount > 3 ? context.Input(3) : default;
        LstmTape tape = context.Sequence;
        Tensor d = LstmAdjointOperation.Instance.Apply(context.Adjoint, weight, first, inputs, shift, tape);
        if (context.Wants(0))
            context.Add(0, d.MatMul(Before(first, tape.Hidden), transposeThis: true));
        if (context.Wants(1))
            context.Add(1, Step(d, 0, tape.Steps).MatMul(weight));
        if (context.Wants(2))
            context.Add(2, SumOverSamples(d, inputs.Shape));
        if (shift.IsDefined && context.Wants(3))
            context.Add(3, SumOverSteps(d, tape.Steps));
    }

    /// <summary>The rows of one of several steps.</summary>
    public static Tensor Step(Tensor x, int step, int steps)
    {
        int rows = x.Shape[0] / steps, size = x.Shape[1];
        return x.Reshape(1, x.Count).Columns(step * rows * size, rows * size).Reshape(rows, size);
    }

    /// <summary>What came before every step: the first state, then the states after all steps but the last.</summary>
    public static Tensor Before(Tensor first, Tensor hidden) => first.Count == hidden.Count
        ? first
        : Tensor.Concatenate(first.Reshape(1, first.Count), hidden.Reshape(1, hidden.Count).Columns(0, hidden.Count - first.Count)).Reshape(hidden.Shape);

    /// <summary>Adjoints of inputs that several samples share.</summary>
    public static Tensor SumOverSamples(Tensor d, Shape inputs) => d.Shape == inputs ? d : d.Reshape(inputs[0], d.Shape[0] / inputs[0], inputs[1]).Sum(1);

    /// <summary>Adjoints of what all steps share.</summary>
    public static Tensor SumOverSteps(Tensor d, int steps) => d.Reshape(steps, d.Count / steps).Sum(0).Reshape(d.Shape[0] / steps, d.Shape[1]);
}
