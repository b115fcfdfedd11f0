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
/// after every 100 steps average the objective of those steps; stop when the best average has not been beaten for 10 checks in a row. The λ of
/// the best check is kept.
/// </summary>
/// <remarks>
/// Every datapoint is optimised on its own, with noise keyed by its index: the result depends neither on the batch nor on the
/// number of threads. Datapoints are spread over the worker threads.
/// </remarks>
/// <param name="options">The settings.</param>
public sealed class LocalOptimizer(LocalOptimizerOptions options)
{
    private readonly LocalOptimizerOptions _options = Checked(options);

    /// <summary>Optimises every datapoint of a batch.</summary>
    /// <param name="model">p(x, z), not changed.</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="progress">Told after every datapoint how many are done.</param>
    /// <param name="cancellation">Stops between two checks.</param>
    /// <exception cref="GapLabException">The objective is not finite at some step: names the datapoint and the step.</exception>
    public LocalOptimum Optimize(
        GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream,
        Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (x.Count == 0)
            throw new GapLabException("Local optimisation: the batch has no datapoints.");
        var best = new double[x.Count][][];
        var steps = new int[x.Count];
        var converged = new bool[x.Count];
        int done = 0;
        model.Parameters.Pack();
        WorkerPool.ForEach(x.Count, row =>
        {
            best[row] = OptimizeOne(model, family, x, row, stream, out steps[row], out converged[row], cancellation);
            progress?.Invoke(Interlocked.Increment(ref done));
        }, cancellation);
        var blocks = new Tensor[best.Length == 0 ? 0 : best[0].Length];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = Tensor.Create(model.Device, new Shape(x.Count, best[0][i].Length), best.SelectMany(lambda => lambda[i]).ToArray());
        return new LocalOptimum(new LocalParameters(blocks), steps, converged);
    }

    private double[][] OptimizeOne(
        GenerativeModel model, VariationalFamily family, Observations x, int row, RandomStream stream,
        out int steps, out bool stopped, CancellationToken cancellation)
    {
        using var scope = MemoryScope.Enter();
        Observations datapoint = x.Select([row]);
        // Copies: a family may compute its starting point, and only leaves can be moved.
        var lambda = new LocalParameters([.. family.InitialLocalParameters(1).Blocks.Select(scope.Copy)]);
        Tensor[] blocks = [.. lambda.Blocks];
        var adam = new Adam(blocks, _options.Adam);
        var gradients = new Tensor[blocks.Length];
        double[][] best = Values(blocks);
        double bestCheck = double.NegativeInfinity, sum = 0;
        int failures = 0, lastCheck = 0;
        for (steps = 0; steps < _options.MaximumSteps && failures < _options.Patience;)
        {
            using (MemoryScope.Enter())
            {
                var noise = new Noise(datapoint, stream, _options.Samples, steps);
                var objective = new ElboObjective(model, family, datapoint, noise, ObjectiveWeights.Elbo, _options.KlForm);
                double value = objective.Gradient(lambda, gradients).ToDouble();
                if (!double.IsFinite(value))
                    throw new GapLabException($"Local optimisation: the ELBO of datapoint {datapoint.Indices.Span[0]} is {value} at step {steps}; use a smaller step size.");
                sum += value;
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
            if (failures == 0)
            {
                bestCheck = check;
                best = Values(blocks);
            }
        }
        stopped = failures >= _options.Patience;
        return best;
    }

    private static double[][] Values(Tensor[] blocks) => [.. blocks.Select(block => block.ToArray())];

    private static LocalOptimizerOptions Checked(LocalOptimizerOptions options) =>
        options.Samples >= 1 && options.StepsPerCheck >= 1 && options.Patience >= 1 && options.MaximumSteps >= 1
            ? options
            : throw new GapLabException(
                $"Local optimisation needs samples, steps a check, patience and a maximum of steps of at least 1, not {options.Samples}, {options.StepsPerCheck}, {options.Patience} and {options.MaximumSteps}.");
}
