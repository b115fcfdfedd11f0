using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Bidirectional Monte Carlo (Grosse, Ghahramani and Adams 2015; Grosse, Ancha and Roy 2016; Wu et al. 2017): log p(x) of data simulated from the model, between a lower
/// and an upper bound. AIS along f_0, ..., f_1 gives weights with E[e^w] = p(x), hence E[log mean e^w] ≤ log p(x). The sample z that made x is an exact posterior sample;
/// from it, the same chain along f_1, ..., f_0 gives weights with E[e^w'] = 1 / p(x), hence E[-log mean e^w'] ≥ log p(x). The difference bounds the error
/// of AIS with these settings on such data. It says nothing of data that the model explains badly.
/// </summary>
/// <remarks>
/// All reverse chains of a datapoint start at its one exact sample. Each weight is unbiased for 1 / p(x) over that sample and the moves, so their mean is, and the bound
/// holds; but the weights are not independent. More chains do not remove the noise of the sample, and the standard errors of the upper bounds do not contain it:
/// <see cref="BdmcEstimate.DifferenceError"/>, from the spread over datapoints, does. The cost is twice that of <see cref="Ais"/>; with frozen steps three times that of
/// adaptive AIS, as one pilot run serves both directions.
/// </remarks>
/// <param name="options">The settings, the start of the path included. Only frozen steps certify the bounds.</param>
/// <exception cref="GapLabException">There are no chains or no leapfrog steps, or the temperatures do not rise from 0 to 1.</exception>
public sealed class Bdmc(AisOptions options)
{
    private readonly AnnealedChains _chains = new(options);

    /// <summary>A short name for tables and provenance.</summary>
    public string Name => $"BDMC {_chains.Description}";

    /// <summary>Whether the expectations are certain to be bounds: with frozen steps.</summary>
    public bool IsCertified => _chains.IsCertified;

    /// <summary>Both bounds, along the path from the prior.</summary>
    /// <param name="model">p(x, z), from which the data were simulated.</param>
    /// <param name="simulated">The data.</param>
    /// <param name="stream">The source of randomness, another one than that of the simulation.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    /// <exception cref="GapLabException">The options ask for a start at q, or an estimate is not a number: names the datapoint.</exception>
    public BdmcEstimate Run(
        GenerativeModel model, SimulatedData simulated, RandomStream stream, Action<int>? progress = null, CancellationToken cancellation = default) =>
        Run(model, null, simulated, null, stream, progress, cancellation);

    /// <summary>Both bounds, along the path from the start that the options name.</summary>
    /// <param name="model">p(x, z), from which the data were simulated.</param>
    /// <param name="family">The family of q; not used, and may be null, if the start is the prior.</param>
    /// <param name="simulated">The data.</param>
    /// <param name="lambda">λ of every datapoint, found from the simulated x alone; likewise.</param>
    /// <param name="stream">The source of randomness, another one than that of the simulation.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two transitions.</param>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    /// <exception cref="GapLabException">The start is q, and λ is missing or the family has no density; or an estimate is not a number: names the datapoint.</exception>
    public BdmcEstimate Run(
        GenerativeModel model, VariationalFamily? family, SimulatedData simulated, LocalParameters? lambda, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        Observations x = simulated.Observations;
        _chains.RequireStart(family, lambda, x.Count);
        var forward = new AnnealedResults($"{Name}, forward", BoundDirection.Lower, x.Indices);
        var reverse = new AnnealedResults($"{Name}, reverse", BoundDirection.Upper, x.Indices);
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            using var scope = MemoryScope.Enter(record: false);
            Observations datapoint = x.Select([row]);
            AnnealingPath path = _chains.PathOf(model, family, datapoint, lambda, row);
            // The pilot knows x but not the exact sample, so that the steps are as good as given beforehand in both directions.
            double[]? steps = _chains.FrozenSteps(path, datapoint, stream, cancellation);
            forward.Set(row, _chains.Forward(path, datapoint, steps, stream, cancellation));
            reverse.Set(row, _chains.Reverse(path, datapoint, simulated.LatentsOf(row), steps, stream, cancellation));
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return new BdmcEstimate(forward.ToEstimate(IsCertified), reverse.ToEstimate(IsCertified));
    }
}
