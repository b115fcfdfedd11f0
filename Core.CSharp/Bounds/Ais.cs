using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Annealed importance sampling (Neal 2001) with Hamiltonian Monte-Carlo moves, as a lower bound on log p(x): from exact samples of a normalised density through
/// log f_β(z) = base(z) + β slope(z), β from 0 to 1, to the joint density p(x, z). A chain's log-weight is Σ_t (β_t - β_{t-1}) slope(z_{t-1}); the estimate
/// is the log-mean-exp over the chains, whose expectation is at most log p(x), and E[e^w] = p(x) when the step sizes are frozen. By default the path is
/// p(z) p(x | z)^β, which depends on no encoder; <see cref="AisOptions.Start"/> chooses.
/// </summary>
/// <remarks>
/// The cost is chains · (distributions - 2) · leapfrog steps evaluations of the decoder and its gradient with respect to z; the move at β = 1 would not
/// change the weight and is not made. Datapoints are spread over the worker threads; a datapoint's result depends on no other.
/// </remarks>
/// <param name="options">The settings.</param>
/// <exception cref="GapLabException">There are no chains or no leapfrog steps, or the temperatures do not rise from 0 to 1.</exception>
public sealed class Ais(AisOptions options) : Bound
{
    private readonly AnnealedChains _chains = new(options);

    /// <inheritdoc/>
    public override string Name => $"AIS {_chains.Description}";

    /// <inheritdoc/>
    public override BoundDirection Direction => BoundDirection.Lower;

    /// <inheritdoc/>
    public override BoundEstimate Estimate(
        GenerativeModel model, VariationalFamily family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        Run(model, family, x, lambda, stream, progress, cancellation).LogMarginal;

    /// <summary>The estimates from the prior, together with acceptance rates and effective numbers of chains.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    /// <exception cref="GapLabException">The options ask for a start at q, or an estimate is not a number: names the datapoint.</exception>
    public AisEstimate Run(
        GenerativeModel model, Observations x, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default) =>
        Run(model, null, x, null, stream, progress, cancellation);

    /// <summary>The estimates from the start that the options name, together with acceptance rates and effective numbers of chains.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q; not used, and may be null, if the start is the prior.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">λ of every datapoint; likewise.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    /// <exception cref="GapLabException">The start is q, and λ is missing or the family has no density; or an estimate is not a number: names the datapoint.</exception>
    public AisEstimate Run(
        GenerativeModel model, VariationalFamily? family, Observations x, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        _chains.RequireStart(family, lambda, x.Count);
        var results = new AnnealedResults(Name, Direction, x.Indices);
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            results.Set(row, WeightsOf(model, family, x, lambda, row, stream, cancellation));
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return results.ToEstimate(_chains.IsCertified);
    }

    /// <summary>The log-weights of all chains of one datapoint, from the prior.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="x">The batch.</param>
    /// <param name="row">The datapoint's row.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="acceptanceRate">The fraction of accepted moves.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    /// <exception cref="GapLabException">The options ask for a start at q.</exception>
    public double[] LogWeightsOf(
        GenerativeModel model, Observations x, int row, RandomStream stream, out double acceptanceRate, CancellationToken cancellation = default)
    {
        _chains.RequireStart(null, null, x.Count);
        (double[] w, acceptanceRate) = WeightsOf(model, null, x, null, row, stream, cancellation);
        return w;
    }

    private ChainWeights WeightsOf(
        GenerativeModel model, VariationalFamily? family, Observations x, LocalParameters? lambda, int row, RandomStream stream, CancellationToken cancellation)
    {
        using var scope = MemoryScope.Enter(record: false);
        Observations datapoint = x.Select([row]);
        AnnealingPath path = _chains.PathOf(model, family, datapoint, lambda, row);
        double[]? steps = _chains.FrozenSteps(path, datapoint, stream, cancellation);
        return _chains.Forward(path, datapoint, steps, stream, cancellation);
    }
}
