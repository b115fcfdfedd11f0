using GapLab.Inference;

namespace GapLab.Benchmarks;

/// <summary>Steps of optimising each datapoint's own λ of a factorised Gaussian, from N(0, I) and with a decoder that stays as it is.</summary>
internal static class LocalWorkload
{
    // Enough to make the start of an optimisation, which comes once in thousands of steps, weigh little.
    private const int Steps = 20;

    public static Sizes Sizes { get; } = new(Datapoints: 10, Samples: 100);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);
        var optimizer = new LocalOptimizer(new LocalOptimizerOptions { Samples = sizes.Samples, MaximumSteps = Steps });
        return new Workload(
            "local",
            $"local step, {sizes.Datapoints} x {sizes.Samples} samples",
            "2 B S 2 G: forward, gradients of inputs",
            4.0 * sizes.Datapoints * sizes.Samples * sizes.DecoderWeights,
            () => optimizer.Optimize(problem.Model, problem.Family, problem.Images, problem.Stream),
            Steps)
        {
            FractionFloor = 0.65,
            RatioFloor = 4,
        };
    }
}
