using GapLab.Differentiation;
using GapLab.Distributions;

namespace GapLab.Bounds;

/// <summary>
/// Chains at a point z of an annealing path, with what the next trajectory needs: the two parts of the log-density and their gradients. They
/// are kept from one transition to the next, where only β changes.
/// </summary>
/// <param name="Position">z, one block [1, C, n_l] a level.</param>
/// <param name="Base">base(z), [C] nats.</param>
/// <param name="Slope">slope(z), [C] nats.</param>
/// <param name="BaseGradient">∂base/∂z, in the blocks' order.</param>
/// <param name="SlopeGradient">∂slope/∂z, in the blocks' order.</param>
public sealed record HmcState(Tensor[] Position, double[] Base, double[] Slope, Tensor[] BaseGradient, Tensor[] SlopeGradient)
{
    /// <summary>Evaluates a path at given positions; what is returned belongs to the current memory scope.</summary>
    /// <param name="path">The path.</param>
    /// <param name="position">z, one block [1, C, n_l] a level.</param>
    public static HmcState At(AnnealingPath path, Tensor[] position)
    {
        var baseGradient = new Tensor[position.Length];
        var slopeGradient = new Tensor[position.Length];
        using var scope = MemoryScope.Enter();
        (Tensor logBase, Tensor slope) = path.Evaluate(new Latents(position));
        Gradient.Of(logBase, position, baseGradient);
        Gradient.Of(slope, position, slopeGradient);
        for (int i = 0; i < position.Length; i++)
        {
            baseGradient[i] = scope.Keep(baseGradient[i]);
            slopeGradient[i] = scope.Keep(slopeGradient[i]);
        }
        return new HmcState(position, logBase.ToArray(), slope.ToArray(), baseGradient, slopeGradient);
    }

    /// <summary>The force ∂ log f_β / ∂z on every block at given positions, without the densities themselves; in the current memory scope.</summary>
    /// <param name="path">The path.</param>
    /// <param name="position">z, one block [1, C, n_l] a level.</param>
    /// <param name="beta">β.</param>
    public static Tensor[] ForcesAt(AnnealingPath path, Tensor[] position, double beta)
    {
        var forces = new Tensor[position.Length];
        using var scope = MemoryScope.Enter();
        (Tensor logBase, Tensor slope) = path.EvaluateForGradient(new Latents(position));
        Gradient.Of(logBase + slope * beta, position, forces);
        for (int i = 0; i < forces.Length; i++)
            forces[i] = scope.Keep(forces[i]);
        return forces;
    }

    /// <summary>The force ∂ log f_β / ∂z on one block.</summary>
    /// <param name="block">Which.</param>
    /// <param name="beta">β.</param>
    public Tensor Force(int block, double beta) => BaseGradient[block] + SlopeGradient[block] * beta;
}
