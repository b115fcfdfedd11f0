using GapLab.Bounds;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// What iterated inference reaches after some of its iterations, which may be more than it was trained for: for each such t the columns "elbo.t", the ELBO of λ_t in nats, and
/// "gradient.t", the average over the first block of λ (the means) of |∂L/∂λ|. Inference that does not iterate has t = 0 only.
/// </summary>
/// <param name="iterations">The iterations t, from 0.</param>
/// <param name="samples">Samples of each ELBO.</param>
/// <param name="ascent">Variational EM, in place of the model's own inference; null for the latter.</param>
/// <param name="steps">Steps of gradient ascent from some start, in place of the model's own inference; null for the latter.</param>
public sealed class IterationBounds(IReadOnlyList<int> iterations, int samples = 1000, VariationalEmOptions? ascent = null, StepsFrom? steps = null)
    : Measure(new Component("iteration-bounds", revision: 1, new { iterations, samples, ascent = ascent is null ? null : ascent with { Iterations = 0 }, steps = steps?.Settings }))
{
    /// <summary>Datapoints that are inferred together: the networks' features after every iteration are kept until all are done.</summary>
    private const int Together = 100;

    private const int GradientSamples = 10;

    private readonly int _last = LastOf(iterations);

    /// <summary>The name of the column with the ELBO of λ_t.</summary>
    /// <param name="t">From 0.</param>
    public static string Elbo(int t) => $"elbo.{t}";

    /// <summary>The name of the column with the gradient's magnitude at λ_t.</summary>
    /// <param name="t">From 0.</param>
    public static string GradientMagnitude(int t) => $"gradient.{t}";

    /// <inheritdoc/>
    public override string Title => $"ELBO after {_last} iterations{(ascent is not null ? " of variational EM" : steps is not null ? $" from {steps.Place}" : "")}";

    /// <inheritdoc/>
    /// <remarks>Of n iterations that are asked for, bounds at one alone, and an n-th of the way there.</remarks>
    public override (Measure Probe, double Factor) CheapPart(Vae vae) =>
        iterations.Count > 1
            ? (new IterationBounds([(_last + iterations.Count - 1) / iterations.Count], samples, ascent, steps), iterations.Count)
            : (this, 1);

    /// <inheritdoc/>
    /// <exception cref="GapLabException">Iterations are asked for of inference that has none.</exception>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        InferenceMethod method = MethodOf(vae, ascent, _last, steps);
        var results = new List<MeasureResult>();
        for (int first = 0; first < x.Count; first += Together)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = MemoryScope.Enter(record: false);
            Observations some = x.Select([.. Enumerable.Range(first, Math.Min(Together, x.Count - first))]);
            results.Add(new MeasureResult([.. Columns(vae, method, some, seed, cancellation)]));
            progress?.Invoke(first + some.Count);
        }
        return MeasureResult.Join([.. results]);
    }

    /// <summary>The last of some iterations.</summary>
    /// <exception cref="GapLabException">There are none, or they are negative or not different.</exception>
    internal static int LastOf(IReadOnlyList<int> iterations) => iterations.Count > 0 && iterations.Min() >= 0 && iterations.Distinct().Count() == iterations.Count
        ? iterations.Max()
        : throw new GapLabException($"Bounds by iteration: give different iterations from 0 on, not '{string.Join(", ", iterations)}'.");

    /// <summary>The inference that is followed, with so many iterations.</summary>
    internal static InferenceMethod MethodOf(Vae vae, VariationalEmOptions? ascent, int iterations, StepsFrom? steps = null)
    {
        InferenceMethod method = steps is not null ? steps.Of(vae) : ascent is null ? vae.Inference : new VariationalEm(vae.Model.Device, ascent);
        return method is IIterated iterated ? iterated.WithIterations(iterations)
            : iterations == 0 ? method
            : throw new GapLabException($"'{method.Name}' does not iterate; ask for iteration 0 of it only, not for {iterations}.");
    }

    private IEnumerable<MeasuredColumn> Columns(Vae vae, InferenceMethod method, Observations x, ulong seed, CancellationToken cancellation)
    {
        InferenceTrace trace = method.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0);
        var sampler = new ImportanceSampler(samples);
        // All iterations are judged by the same samples, so that differences between them are more exact than each of them.
        RandomStream noise = new RandomStream(seed, RandomPurpose.Importance).Fork(5);
        foreach (int t in iterations)
        {
            yield return MeasuredColumn.Of(Elbo(t), sampler.Estimate(vae.Model, vae.Family, x, trace.Points[t], noise, null, cancellation).Elbo);
            yield return new MeasuredColumn(GradientMagnitude(t), Magnitudes(vae, x, trace.Points[t], noise));
        }
    }

    private static double[] Magnitudes(Vae vae, Observations x, LocalParameters lambda, RandomStream noise)
    {
        using MemoryScope scope = MemoryScope.Enter();
        var point = new LocalParameters([.. lambda.Blocks.Select(scope.Copy)]);
        var gradients = new Tensor[point.Blocks.Count];
        new ElboObjective(vae.Model, vae.Family, x, new Noise(x, noise, GradientSamples), ObjectiveWeights.Elbo, KlForm.Analytic).Gradient(point, gradients);
        Tensor means = gradients[0];
        return (means - 2 * means.NegativePart()).Mean(1).ToArray();
    }
}
