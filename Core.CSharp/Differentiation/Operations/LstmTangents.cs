namespace GapLab.Differentiation.Operations;

/// <summary>What the adjoint of <see cref="LstmAdjointOperation"/> needs, in operations that can be differentiated again: for third and higher derivatives.</summary>
internal static class LstmTangents
{
    /// <summary>a_1 ... a_T [T R, 4 n].</summary>
    public static Tensor PreActivations(Tensor inputs, Tensor shift, Tensor weight, Tensor first, LstmTape tape)
    {
        Tensor a = LstmOperation.Before(first, tape.Hidden).MatMul(weight, transposeOther: true);
        int wide = a.Shape[1], sequences = inputs.Shape[0] / tape.Steps, samples = first.Shape[0] / sequences;
        a = (a.Reshape(inputs.Shape[0], samples, wide) + inputs.Reshape(inputs.Shape[0], 1, wide)).Reshape(a.Shape);
        return shift.IsDefined ? (a.Reshape(tape.Steps, a.Count / tape.Steps) + shift.Reshape(1, shift.Count)).Reshape(a.Shape) : a;
    }

    /// <summary>The derivatives of the states, and of the adjoints of pre-activations, when the pre-activations move.</summary>
    /// <param name="along">The direction [T R, 4 n].</param>
    /// <param name="g">The adjoints of the states [T R, n].</param>
    /// <param name="weight">W [4 n, n].</param>
    /// <param name="a">The pre-activations [T R, 4 n].</param>
    /// <param name="d">Their adjoints [T R, 4 n].</param>
    /// <param name="steps">T.</param>
    public static (Tensor Hidden, Tensor Adjoints) Composite(Tensor along, Tensor g, Tensor weight, Tensor a, Tensor d, int steps)
    {
        int n = weight.Shape[1];
        Tensor Part(Tensor x, int index) => x.Columns(index * n, n);
        Tensor zero = Tensor.Filled(g.Device, LstmOperation.Step(g, 0, steps).Shape, 0, g.Type);
        var at = new Step[steps];
        Tensor cell = zero, tCell = zero, tHidden = zero;
        for (int t = 0; t < steps; t++)
        {
            Tensor now = LstmOperation.Step(a, t, steps), moved = LstmOperation.Step(along, t, steps) + tHidden.MatMul(weight, transposeOther: true);
            Tensor i = Part(now, 0).Sigmoid(), f = Part(now, 1).Sigmoid(), v = Part(now, 2).Tanh(), o = Part(now, 3).Sigmoid();
            Tensor ti = i * (1 - i) * Part(moved, 0), tf = f * (1 - f) * Part(moved, 1), tv = (1 - v.Square()) * Part(moved, 2), to = o * (1 - o) * Part(moved, 3);
            Tensor next = f * cell + i * v, tNext = tCell * f + cell * tf + ti * v + i * tv, tau = next.Tanh(), tTau = (1 - tau.Square()) * tNext;
            tHidden = to * tau + o * tTau;
            at[t] = new Step(i, f, v, o, ti, tf, tv, to, cell, tCell, tau, tTau, tHidden);
            (cell, tCell) = (next, tNext);
        }
        var moves = new Tensor[steps];
        Tensor dCell = zero, tdCell = zero;
        for (int t = steps - 1; t >= 0; t--)
        {
            (Tensor i, Tensor f, Tensor v, Tensor o, Tensor ti, Tensor tf, Tensor tv, Tensor to, Tensor c, Tensor tc, Tensor tau, Tensor tTau, _) = at[t];
            bool last = t == steps - 1;
            Tensor dh = LstmOperation.Step(g, t, steps), slope = 1 - tau.Square();
            if (!last)
                dh += LstmOperation.Step(d, t + 1, steps).MatMul(weight);
            Tensor tdh = last ? zero : moves[t + 1].MatMul(weight);
            Tensor dc = dCell + dh * o * slope, tdc = tdCell + tdh * o * slope + dh * (to * slope - 2 * o * tau * tTau);
            moves[t] = Tensor.Concatenate(
                (tdc * v + dc * tv) * i * (1 - i) + dc * v * (1 - 2 * i) * ti,
                (tdc * c + dc * tc) * f * (1 - f) + dc * c * (1 - 2 * f) * tf,
                (tdc * i + dc * ti) * (1 - v.Square()) - 2 * dc * i * v * tv,
                (tdh * tau + dh * tTau) * o * (1 - o) + dh * tau * (1 - 2 * o) * to);
            (dCell, tdCell) = (dc * f, tdc * f + dc * tf);
        }
        return (Stacked([.. at.Select(one => one.THidden)]), Stacked(moves));
    }

    private static Tensor Stacked(Tensor[] steps) =>
        Tensor.Concatenate([.. steps.Select(one => one.Reshape(1, one.Count))]).Reshape(steps.Length * steps[0].Shape[0], steps[0].Shape[1]);

    /// <summary>Gates, c before and tanh of c after a step, and their derivatives along the direction.</summary>
    private readonly record struct Step(
        Tensor I, Tensor F, Tensor G, Tensor O, Tensor Ti, Tensor Tf, Tensor Tg, Tensor To, Tensor Cell, Tensor TCell, Tensor Tau, Tensor TTau, Tensor THidden);
}
