using GapLab.Bounds;
using GapLab.Families;

namespace GapLab.Benchmarks;

/// <summary>The importance-weighted bound of given λ.</summary>
internal static class ImportanceWorkload
{
    public static Sizes Sizes { get; } = new(Datapoints: 10, Samples: 5000);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);
        LocalParameters lambda = Lambda(sizes);
        var sampler = new ImportanceSampler(sizes.Samples);
        return new Workload(
            "iwae",
            $"IWAE-{sizes.Samples}, {sizes.Datapoints} datapoints",
            "2 B S G: forward",
            2.0 * sizes.Datapoints * sizes.Samples * sizes.DecoderWeights,
            () => sampler.Estimate(problem.Model, problem.Family, problem.Images, lambda, problem.Stream))
        {
            FractionFloor = 0.65,
            RatioFloor = 3.5,
        };
    }

    /// <summary>λ as an encoder might find it: means near 0, deviations of 0.6.</summary>
    public static LocalParameters Lambda(Sizes sizes) => new(
        Problem.Normal(sizes.Datapoints, sizes.Latent, seed: 1, scale: 0.1),
        Problem.Normal(sizes.Datapoints, sizes.Latent, seed: 2, scale: 0, shift: -1));
}
