using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// The chains of annealed importance sampling for one datapoint, in both directions along a path f_β. Between two temperatures a chain's log-weight changes by
/// (β' - β) slope(z), then z makes a Hamiltonian move that leaves f_β' invariant; the move at the last temperature would not change the weight and is not made.
/// The moves are reversible, so the schedule run backwards is the reverse chain.
/// </summary>
internal sealed class AnnealedChains
{
    // Keys of the streams of the pilot and of the reverse chains: part of every stored result.
    private const ulong PilotStream = 1, ReverseStream = 2;

    private readonly AisOptions _options;
    private readonly double[] _reversedBetas;

    /// <summary>Chains with given settings.</summary>
    /// <exception cref="GapLabException">The settings cannot work.</exception>
    public AnnealedChains(AisOptions options)
    {
        options.RequireValid();
        _options = options;
        _reversedBetas = [.. options.Betas.Reverse()];
    }

    /// <summary>Whether the steps do not depend on the past of the chains that use them, so that the mean of e^w is unbiased.</summary>
    public bool IsCertified => _options.StepSizes == StepSizeMode.Frozen;

    /// <summary>The settings in a few words, for names of estimates.</summary>
    public string Description =>
        $"({_options.Chains} chains, {_options.Betas.Length} distributions{(_options.Start == AnnealingStart.Posterior ? " from q" : "")})";

    /// <summary>Checks that what the start needs is there.</summary>
    /// <exception cref="GapLabException">The path starts at q and there is none.</exception>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    public void RequireStart(VariationalFamily? family, LocalParameters? lambda, int datapoints)
    {
        if (_options.Start != AnnealingStart.Posterior)
            return;
        if (family is null || lambda is null)
            throw new GapLabException("AIS from q(z | x) needs the family of q and its local parameters; give both, or start at the prior.");
        if (lambda.Count != datapoints)
            throw new ShapeException($"AIS: {datapoints} datapoints, but local parameters of {lambda.Count}.");
    }

    /// <summary>The path of one datapoint, in the current memory scope.</summary>
    public AnnealingPath PathOf(GenerativeModel model, VariationalFamily? family, Observations datapoint, LocalParameters? lambda, int row) =>
        _options.Start == AnnealingStart.Posterior
            ? new PosteriorPath(model, family!, datapoint, lambda!.Select(row))
            : new PriorPath(model, datapoint);

    /// <summary>The step at every temperature that a pilot run of other chains finds; null if each chain adapts its own.</summary>
    public double[]? FrozenSteps(AnnealingPath path, Observations datapoint, RandomStream stream, CancellationToken cancellation)
    {
        if (_options.StepSizes != StepSizeMode.Frozen)
            return null;
        var steps = new double[_options.Betas.Length];
        RandomStream pilot = stream.Fork(PilotStream);
        Anneal(path, datapoint, Start(path, datapoint, pilot), _options.Betas, pilot, found: steps, given: null, cancellation);
        return steps;
    }

    /// <summary>From exact samples of f_0 upwards: E[e^w] is the integral of f_1, p(x), if the steps are frozen.</summary>
    public ChainWeights Forward(AnnealingPath path, Observations datapoint, double[]? steps, RandomStream stream, CancellationToken cancellation) =>
        Anneal(path, datapoint, Start(path, datapoint, stream), _options.Betas, stream, found: null, given: steps, cancellation);

    /// <summary>
    /// From one exact sample of the posterior, at which all chains start, downwards: over that sample and the moves, E[e^w] is 1 / p(x), if the steps are
    /// frozen.
    /// </summary>
    public ChainWeights Reverse(
        AnnealingPath path, Observations datapoint, Latents exact, double[]? steps, RandomStream stream, CancellationToken cancellation)
    {
        var start = new Latents([.. exact.Levels.Select(level => level.BroadcastTo(level.Shape.With(1, _options.Chains)))]);
        return Anneal(path, datapoint, start, _reversedBetas, stream.Fork(ReverseStream), found: null, given: steps is null ? null : [.. steps.Reverse()], cancellation);
    }

    private Latents Start(AnnealingPath path, Observations datapoint, RandomStream stream) => path.SampleStart(new Noise(datapoint, stream, _options.Chains));

    /// <summary>One pass over a schedule.</summary>
    /// <param name="path">The path.</param>
    /// <param name="datapoint">Whose index keys the noise.</param>
    /// <param name="start">The chains' first states.</param>
    /// <param name="betas">The temperatures in the order of the pass.</param>
    /// <param name="stream">The source of momenta and decisions.</param>
    /// <param name="found">Receives the mean step that adaptation reaches at every temperature; null if nobody asks.</param>
    /// <param name="given">The step to use at every temperature; null for adaptation.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    private ChainWeights Anneal(
        AnnealingPath path, Observations datapoint, Latents start, double[] betas, RandomStream stream, double[]? found, double[]? given,
        CancellationToken cancellation)
    {
        int chains = _options.Chains, index = datapoint.Indices.Span[0];
        RandomStream momenta = stream.Fork((ulong)RandomPurpose.Momentum), acceptances = stream.Fork((ulong)RandomPurpose.Acceptance);
        var w = new double[chains];
        var accepted = new bool[chains];
        var uniforms = new double[chains];
        var adaptation = new StepSizeAdaptation(_options);
        long acceptedMoves = 0;

        using var scope = MemoryScope.Enter(record: false);
        HmcState state = HmcState.At(path, [.. start.Levels]);
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
            if (given is not null)
                Array.Fill(adaptation.StepSizes, given[t]);
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
            if (given is null)
                adaptation.Update(accepted);
            if (found is not null)
                found[t] = adaptation.Mean();
        }
        return new ChainWeights(w, betas.Length > 2 ? acceptedMoves / (double)(chains * (betas.Length - 2)) : 1);
    }

    private static HmcState Over(Tensor[] tensors, double[] logBase, double[] slope)
    {
        int blocks = tensors.Length / 3;
        return new HmcState(tensors[..blocks], logBase, slope, tensors[blocks..(2 * blocks)], tensors[(2 * blocks)..]);
    }
}
