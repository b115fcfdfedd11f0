using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// q* = argmax over the family of the ELBO, separately for every datapoint (Cremer et al. 2018, section 6.4): start at N(0, I), Adam, and
/// after every 100 steps average the objective of those steps; stop when the best average has not been beaten for 10 checks in a row. The parameters of
/// the best check are kept. A search whose objective becomes infinite or no number after the first check ends there and does not count as converged.
/// </summary>
/// <remarks>
/// A family's shared parameters count among a datapoint's own: each datapoint moves a copy of them, which starts at the family's present values. Every
/// datapoint is optimised on its own, with noise keyed by its index: the result depends neither on the batch nor on the
/// number of threads. Datapoints are spread over the worker threads; a thread at work holds five copies of the parameters that it moves.
/// </remarks>
/// <param name="options">The settings.</param>
public sealed class LocalOptimizer(LocalOptimizerOptions options)
{
    private readonly LocalOptimizerOptions _options = Checked(options);

    /// <summary>Optimises every datapoint of a batch and keeps all that is found, which for a family with shared parameters means a set of them for each datapoint.</summary>
    /// <param name="model">p(x, z), not changed.</param>
    /// <param name="family">The family of q, not changed.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two checks.</param>
    /// <param name="start">λ to start at, one for each datapoint; null for the family's own start, N(0, I).</param>
    /// <exception cref="GapLabException">The objective is not finite before the first check: names the datapoint and the step.</exception>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    public LocalOptimum Optimize(
        GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default, LocalParameters? start = null)
    {
        DatapointOptimum[] found = Optimize(
            model, family, x, stream, optimum => optimum with { Family = Owned(optimum.Family), Lambda = optimum.Lambda.ToOwned() }, progress, cancellation, start);
        var blocks = new Tensor[found[0].Lambda.Blocks.Count];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = Tensor.Create(model.Device, new Shape(x.Count, found[0].Lambda[i].Count), found.SelectMany(optimum => optimum.Lambda[i].ToArray()).ToArray());
        return new LocalOptimum(
            new LocalParameters(blocks), Array.ConvertAll(found, optimum => optimum.Family),
            Array.ConvertAll(found, optimum => optimum.Steps), Array.ConvertAll(found, optimum => optimum.Converged));
    }

    /// <summary>
    /// Optimises every datapoint of a batch and evaluates each as soon as it is found, on the same thread: memory does not grow with the number of
    /// datapoints, however many parameters the family has.
    /// </summary>
    /// <typeparam name="T">What the evaluation gives.</typeparam>
    /// <param name="model">p(x, z), not changed.</param>
    /// <param name="family">The family of q, not changed.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="evaluate">Called once for each datapoint, on several threads; what it is given must not be used after it returns.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two checks.</param>
    /// <param name="start">λ to start at, one for each datapoint; null for the family's own start, N(0, I).</param>
    /// <returns>The evaluations, in the order of the batch.</returns>
    /// <exception cref="GapLabException">The objective is not finite before the first check: names the datapoint and the step.</exception>
    /// <exception cref="ShapeException">Another number of λ than of datapoints.</exception>
    public T[] Optimize<T>(
        GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, Func<DatapointOptimum, T> evaluate,
        Action<int>? progress = null, CancellationToken cancellation = default, LocalParameters? start = null)
    {
        if (x.Count == 0)
            throw new GapLabException("Local optimisation: the batch has no datapoints.");
        if (start is not null && start.Count != x.Count)
            throw new ShapeException($"Local optimisation: {x.Count} datapoints, but {start.Count} of the local parameters to start at.");
        var results = new T[x.Count];
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            using var scope = MemoryScope.Enter();
            DatapointOptimum optimum = OptimizeOne(scope, model, family, x.Select([row]), start?.Select(row) ?? family.InitialLocalParameters(1), stream, cancellation);
            results[row] = evaluate(optimum);
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        return results;
    }

    private DatapointOptimum OptimizeOne(
        MemoryScope scope, GenerativeModel model, VariationalFamily family, Observations x, LocalParameters start, RandomStream stream, CancellationToken cancellation)
    {
        // Copies: a family may compute its starting point, and only leaves can be moved.
        Tensor[] parameters = [.. start.Blocks.Select(scope.Copy), .. family.Shared.Select(scope.Copy)];
        Tensor[] best = [.. parameters.Select(scope.Copy)];
        (VariationalFamily own, LocalParameters lambda) = Over(family, parameters);
        var adam = new Adam(parameters, _options.Adam);
        var gradients = new Tensor[parameters.Length];
        double bestCheck = double.NegativeInfinity, sum = 0;
        int steps = 0, failures = 0, lastCheck = 0;
        double norm = _options.MaximumGradientNorm ?? (family.Shared.Count > 0 ? LocalOptimizerOptions.NetworkGradientNorm : double.PositiveInfinity);
        while (steps < _options.MaximumSteps && failures < _options.Patience)
        {
            using (MemoryScope.Enter())
            {
                var noise = new Noise(x, stream, _options.Samples, steps);
                Tensor objective = new ElboObjective(model, own, x, noise, ObjectiveWeights.Elbo, _options.KlForm).Value(lambda);
                Gradient.Of(objective, parameters, gradients);
                double value = objective.ToDouble();
                // A search that gets lost after it has found something ends with what it has found.
                if (!double.IsFinite(value) && lastCheck > 0)
                    break;
                if (!double.IsFinite(value))
                    throw new GapLabException($"Local optimisation: the ELBO of datapoint {x.Indices.Span[0]} is {value} at step {steps}; use a smaller step size.");
                sum += value;
                Limit(gradients, norm);
                adam.Ascend(gradients);
            }
            // The limit ends the last check early; what its steps gained counts.
            if (++steps % _options.StepsPerCheck != 0 && steps < _options.MaximumSteps)
                continue;
            cancellation.ThrowIfCancellationRequested();
            double check = sum / (steps - lastCheck);
            lastCheck = steps;
            sum = 0;
            failures = check > bestCheck ? 0 : failures + 1;
            if (failures > 0)
                continue;
            bestCheck = check;
            for (int i = 0; i < best.Length; i++)
                best[i].Assign(parameters[i]);
        }
        (VariationalFamily found, LocalParameters foundLambda) = Over(family, best);
        return new DatapointOptimum(x, found, foundLambda, steps, failures >= _options.Patience);
    }

    /// <summary>Scales gradients down to a largest norm of all together.</summary>
    private static void Limit(Tensor[] gradients, double largest)
    {
        if (double.IsPositiveInfinity(largest))
            return;
        double norm = Math.Sqrt(gradients.Sum(gradient => gradient.Square().Sum().ToDouble()));
        if (!(norm > largest))
            return;
        for (int i = 0; i < gradients.Length; i++)
            gradients[i] *= largest / norm;
    }

    /// <summary>λ and the family with shared parameters that have the given values: first λ's blocks, then the shared ones.</summary>
    private static (VariationalFamily Family, LocalParameters Lambda) Over(VariationalFamily family, Tensor[] values)
    {
        int blocks = values.Length - family.Shared.Count;
        return (family.Shared.Count == 0 ? family : family.With(family.Shared.With(values.AsSpan(blocks))), new LocalParameters(values[..blocks]));
    }

    private static VariationalFamily Owned(VariationalFamily family) =>
        family.Shared.Count == 0 ? family : family.With(family.Shared.With([.. family.Shared.Select(value => value.ToOwned())]));

    private static LocalOptimizerOptions Checked(LocalOptimizerOptions options) =>
        options.Samples < 1 || options.StepsPerCheck < 1 || options.Patience < 1 || options.MaximumSteps < 1
            ? throw new GapLabException(
                $"Local optimisation needs samples, steps a check, patience and a maximum of steps of at least 1, not {options.Samples}, {options.StepsPerCheck}, {options.Patience} and {options.MaximumSteps}.")
            : options.MaximumGradientNorm is { } norm && !(norm > 0)
            ? throw new GapLabException($"Local optimisation: the largest norm of a gradient must be positive, not {norm}.")
            : options;
}
