using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Annealed importance sampling (Neal 2001) with Hamiltonian Monte-Carlo moves, as a lower bound on log p(x) that does not depend on an
/// encoder: from exact prior samples through f_β(z) = p(z) p(x | z)^β, β from 0 to 1. A chain's log-weight is Σ_t (β_t - β_{t-1}) log p(x | z_{t-1}); the estimate
/// is the log-mean-exp over the chains, whose expectation is at most log p(x), and E[e^w] = p(x) when the step sizes are frozen.
/// </summary>
/// <remarks>
/// The cost is chains · (distributions - 2) · leapfrog steps evaluations of the decoder and its gradient with respect to z; the move at β = 1 would not
/// change the weight and is not made. Datapoints are spread over the worker threads; a datapoint's result depends on no other.
/// </remarks>
/// <param name="options">The settings.</param>
/// <exception cref="GapLabException">There are no chains or no leapfrog steps, or the temperatures do not rise from 0 to 1.</exception>
public sealed class Ais(AisOptions options) : Bound
{
    private readonly AisOptions _options = Checked(options);

    /// <inheritdoc/>
    public override string Name => $"AIS ({_options.Chains} chains, {_options.Betas.Length} distributions)";

    /// <inheritdoc/>
    public override BoundDirection Direction => BoundDirection.Lower;

    /// <inheritdoc/>
    public override BoundEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        Run(model, x, stream, progress, cancellation).LogMarginal;

    /// <summary>The estimates together with acceptance rates and effective numbers of chains.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    public AisEstimate Run(
        GenerativeModel model, Observations x, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        var values = new double[x.Count];
        var errors = new double[x.Count];
        var acceptance = new double[x.Count];
        var effective = new double[x.Count];
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            double[] w = LogWeightsOf(model, x, row, stream, out acceptance[row], cancellation);
            values[row] = LogWeights.LogMeanExp(w);
            errors[row] = LogWeights.StandardError(w);
            effective[row] = LogWeights.EffectiveSampleSize(w);
            BoundEstimate.RequireNumber("AIS", values[row], x.Indices.Span[row]);
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return new AisEstimate(new BoundEstimate(Name, Direction, values, errors) { Datapoints = x.Indices }, acceptance, effective);
    }

    /// <summary>The log-weights of all chains of one datapoint.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="x">The batch.</param>
    /// <param name="row">The datapoint's row.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="acceptanceRate">The fraction of accepted moves.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    public double[] LogWeightsOf(
        GenerativeModel model, Observations x, int row, RandomStream stream, out double acceptanceRate, CancellationToken cancellation = default)
    {
        using var scope = MemoryScope.Enter(record: false);
        Observations datapoint = x.Select([row]);
        var path = new PriorPath(model, datapoint);
        double[]? frozen = null;
        if (_options.StepSizes == StepSizeMode.Frozen)
        {
            frozen = new double[_options.Betas.Length];
            Anneal(path, datapoint, stream.Fork(1), pilot: frozen, fixedSteps: null, out _, cancellation);
        }
        return Anneal(path, datapoint, stream, pilot: null, frozen, out acceptanceRate, cancellation);
    }

    private double[] Anneal(
        AnnealingPath path, Observations datapoint, RandomStream stream, double[]? pilot, double[]? fixedSteps,
        out double acceptanceRate, CancellationToken cancellation)
    {
        int chains = _options.Chains, index = datapoint.Indices.Span[0];
        RandomStream momenta = stream.Fork((ulong)RandomPurpose.Momentum), acceptances = stream.Fork((ulong)RandomPurpose.Acceptance);
        var w = new double[chains];
        var accepted = new bool[chains];
        var uniforms = new double[chains];
        var adaptation = new StepSizeAdaptation(_options);
        long acceptedMoves = 0;
        double[] betas = _options.Betas;

        using var scope = MemoryScope.Enter(record: false);
        HmcState state = HmcState.At(path, [.. path.SampleStart(new Noise(datapoint, stream, chains)).Levels]);
        // The chains' tensors, overwritten after every transition.
        Tensor[] persistent = [.. state.Position.Concat(state.BaseGradient).Concat(state.SlopeGradient).Select(scope.Copy)];
        state = Over(persistent, state.Base, state.Slope);
        for (int t = 1; t < betas.Length; t++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int c = 0; c < chains; c++)
                w[c] += (betas[t] - betas[t - 1]) * state.Slope[c];
            if (t == betas.Length - 1)
                break;
            if (fixedSteps is not null)
                Array.Fill(adaptation.StepSizes, fixedSteps[t]);
            for (int c = 0; c < chains; c++)
                uniforms[c] = acceptances.At(index, t).Uniform(c);
            using (MemoryScope.Enter(record: false))
            {
                var noise = new Noise(datapoint, momenta, chains, t);
                Tensor[] momentum = [.. state.Position.Select((block, level) => noise.Normal(block.Shape[-1], level))];
                HmcState next = Hmc.Transition(path, betas[t], state, momentum, adaptation.StepSizes, _options.LeapfrogSteps, uniforms, accepted);
                Tensor[] moved = [.. next.Position, .. next.BaseGradient, .. next.SlopeGradient];
                for (int i = 0; i < persistent.Length; i++)
                    persistent[i].Assign(moved[i]);
                state = Over(persistent, next.Base, next.Slope);
            }
            acceptedMoves += accepted.Count(moved => moved);
            if (fixedSteps is null)
                adaptation.Update(accepted);
            if (pilot is not null)
                pilot[t] = adaptation.Mean();
        }
        acceptanceRate = betas.Length > 2 ? acceptedMoves / (double)(chains * (betas.Length - 2)) : 1;
        return w;
    }

    private static AisOptions Checked(AisOptions options)
    {
        if (options.Chains < 1 || options.LeapfrogSteps < 1 || !(options.InitialStepSize > 0))
            throw new GapLabException($"AIS needs at least 1 chain, 1 leapfrog step and a positive step size, not {options.Chains}, {options.LeapfrogSteps} and {options.InitialStepSize}.");
        if (!(options.TargetAcceptance > 0 && options.TargetAcceptance < 1) || !(options.SmallestStepSize > 0)
            || !(options.SmallestStepSize <= options.InitialStepSize) || !(options.InitialStepSize <= options.LargestStepSize))
            throw new GapLabException(
                $"AIS: the target acceptance rate must lie between 0 and 1 and the initial step size within its range, not {options.TargetAcceptance} and {options.InitialStepSize} in [{options.SmallestStepSize}, {options.LargestStepSize}].");
        double[] betas = options.Betas;
        if (betas.Length < 2 || betas[0] != 0 || betas[^1] != 1 || betas.Zip(betas.Skip(1)).Any(pair => !(pair.First < pair.Second)))
            throw new GapLabException("AIS: the inverse temperatures must rise from exactly 0 to exactly 1; AnnealingSchedule makes such ones.");
        return options;
    }

    private static HmcState Over(Tensor[] tensors, double[] logBase, double[] slope)
    {
        int blocks = tensors.Length / 3;
        return new HmcState(tensors[..blocks], logBase, slope, tensors[blocks..(2 * blocks)], tensors[(2 * blocks)..]);
    }
}
