using System.Diagnostics;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>How long iterated inference takes for all the datapoints together on the machine that measured it: scalar "secondsPerIteration", the least of several runs.</summary>
/// <param name="iterations">How many iterations are timed, 1 or more.</param>
/// <param name="ascent">Variational EM, in place of the model's own inference; null for the latter.</param>
public sealed class InferenceTime(int iterations, VariationalEmOptions? ascent = null)
    : Measure(new Component("inference-time", revision: 1, new { iterations, ascent = ascent is null ? null : ascent with { Iterations = 0 } }))
{
    /// <summary>The scalar's name.</summary>
    public const string SecondsPerIteration = "secondsPerIteration";

    private const int Runs = 5;

    /// <inheritdoc/>
    public override string Title => $"time of {iterations} iterations{(ascent is null ? "" : " of variational EM")}";

    /// <summary>A batch is inferred as one.</summary>
    public override bool IsOfWholeSet => true;

    /// <inheritdoc/>
    /// <exception cref="GapLabException">The inference does not iterate, or no iterations are asked for.</exception>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        if (iterations < 1)
            throw new GapLabException($"The time of {iterations} iterations cannot be measured; ask for at least 1.");
        InferenceMethod method = IterationBounds.MethodOf(vae, ascent, iterations);
        double least = double.PositiveInfinity;
        // The first run also compiles and fills caches; the least time is another one's.
        for (int run = 0; run <= Runs; run++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = MemoryScope.Enter(record: false);
            var watch = Stopwatch.StartNew();
            method.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0);
            least = Math.Min(least, watch.Elapsed.TotalSeconds);
        }
        progress?.Invoke(x.Count);
        return new MeasureResult([], new Dictionary<string, double> { [SecondsPerIteration] = least / iterations });
    }
}
