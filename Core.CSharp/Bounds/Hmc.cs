using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Hamiltonian Monte Carlo on the densities of an annealing path: many chains of one datapoint at once, each with a step size of its own.
/// Energy H = -log f_β(z) + ½ |r|²; reference: Neal 2011.
/// </summary>
public static class Hmc
{
    /// <summary>
    /// The leapfrog trajectory: half a kick, L drifts with L - 1 kicks between them, half a kick. It is volume-preserving and reversible, and its
    /// energy error is O(ε²).
    /// </summary>
    /// <param name="path">The annealing path.</param>
    /// <param name="beta">β.</param>
    /// <param name="start">Where the chains are.</param>
    /// <param name="momentum">r, one block [1, C, n_l] a level.</param>
    /// <param name="stepSizes">ε, [C].</param>
    /// <param name="steps">L.</param>
    /// <returns>Where the chains end, and their momenta there; both in the current memory scope.</returns>
    public static (HmcState End, Tensor[] Momentum) Leapfrog(
        AnnealingPath path, double beta, HmcState start, Tensor[] momentum, ReadOnlySpan<double> stepSizes, int steps)
    {
        int blocks = momentum.Length;
        Tensor epsilon = Tensor.Create(momentum[0].Device, new Shape(1, stepSizes.Length, 1), stepSizes);
        Tensor half = epsilon * 0.5;
        Tensor[] z = [.. start.Position], r = [.. momentum];
        for (int i = 0; i < blocks; i++)
            r[i] += half * start.Force(i, beta);
        for (int step = 1; step < steps; step++)
        {
            Drift();
            Tensor[] forces = HmcState.ForcesAt(path, z, beta);
            for (int i = 0; i < blocks; i++)
                r[i] += epsilon * forces[i];
        }
        Drift();
        HmcState end = HmcState.At(path, z);
        for (int i = 0; i < blocks; i++)
            r[i] += half * end.Force(i, beta);
        return (end, r);

        void Drift()
        {
            for (int i = 0; i < blocks; i++)
                z[i] += epsilon * r[i];
        }
    }

    /// <summary>½ |r|² of every chain, [C] nats.</summary>
    /// <param name="momentum">r, one block [1, C, n_l] a level.</param>
    public static double[] KineticEnergy(Tensor[] momentum)
    {
        Tensor sum = default;
        foreach (Tensor block in momentum)
        {
            Tensor term = block.Square().Sum(-1, ElementType.Float64) * 0.5;
            sum = sum.IsDefined ? sum + term : term;
        }
        return sum.ToArray();
    }

    /// <summary>One Metropolis-corrected trajectory of every chain.</summary>
    /// <param name="path">The annealing path.</param>
    /// <param name="beta">β.</param>
    /// <param name="start">Where the chains are.</param>
    /// <param name="momentum">Fresh momenta, standard normal.</param>
    /// <param name="stepSizes">ε, [C].</param>
    /// <param name="steps">L.</param>
    /// <param name="uniforms">One uniform number in [0, 1) a chain.</param>
    /// <param name="accepted">Receives which chains moved. A trajectory whose energy is not finite is refused.</param>
    /// <returns>Where the chains are afterwards, in the current memory scope.</returns>
    public static HmcState Transition(
        AnnealingPath path, double beta, HmcState start, Tensor[] momentum, ReadOnlySpan<double> stepSizes, int steps,
        ReadOnlySpan<double> uniforms, Span<bool> accepted)
    {
        (HmcState end, Tensor[] endMomentum) = Leapfrog(path, beta, start, momentum, stepSizes, steps);
        double[] before = KineticEnergy(momentum), after = KineticEnergy(endMomentum);
        int chains = before.Length;
        var mask = new double[chains];
        var logBase = new double[chains];
        var slope = new double[chains];
        for (int c = 0; c < chains; c++)
        {
            double reached = end.Base[c] + beta * end.Slope[c] - after[c];
            double change = reached - (start.Base[c] + beta * start.Slope[c] - before[c]);
            accepted[c] = double.IsFinite(reached) && Math.Log(uniforms[c]) < change;
            mask[c] = accepted[c] ? 1 : 0;
            logBase[c] = accepted[c] ? end.Base[c] : start.Base[c];
            slope[c] = accepted[c] ? end.Slope[c] : start.Slope[c];
        }
        Tensor moved = Tensor.Create(momentum[0].Device, new Shape(1, chains), mask);
        return new HmcState(
            Choose(moved, end.Position, start.Position), logBase, slope,
            Choose(moved, end.BaseGradient, start.BaseGradient), Choose(moved, end.SlopeGradient, start.SlopeGradient));
    }

    private static Tensor[] Choose(Tensor mask, Tensor[] ends, Tensor[] starts)
    {
        var chosen = new Tensor[ends.Length];
        for (int i = 0; i < chosen.Length; i++)
            chosen[i] = Tensor.SelectRows(mask, ends[i], starts[i]);
        return chosen;
    }
}
