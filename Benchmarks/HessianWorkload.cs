using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Objectives;

namespace GapLab.Benchmarks;

/// <summary>The gradient of the ELBO with respect to λ, and the products of its second derivatives with a direction, with respect to λ and θ.</summary>
internal static class HessianWorkload
{
    public static Sizes Sizes { get; } = new(Datapoints: 100, Samples: 1);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);
        LocalParameters lambda = problem.Encode();
        Tensor[] direction = Direction(sizes);
        var lambdaProducts = new Tensor[direction.Length];
        var parameterProducts = new Tensor[problem.Model.Parameters.Count];
        var step = 0;

        void Run()
        {
            using var scope = MemoryScope.Enter();
            var noise = new Noise(problem.Images, problem.Stream, sizes.Samples, step++);
            new ElboObjective(problem.Model, problem.Family, problem.Images, noise, ObjectiveWeights.Elbo, KlForm.Analytic)
                .HessianVectorProduct(lambda, direction, lambdaProducts, parameterProducts);
        }

        return new Workload(
            "hvp",
            $"gradient and Hessian product, batch {sizes.Datapoints}",
            "2 B S 6 G: forward and gradients of inputs, the derivatives of both along the direction, and two products for the weights",
            12.0 * sizes.Datapoints * sizes.Samples * sizes.DecoderWeights,
            Run)
        {
            FractionFloor = 0.50,
            RatioFloor = 3,
        };
    }

    /// <summary>The direction, one tensor for each block of λ.</summary>
    public static Tensor[] Direction(Sizes sizes) =>
        [Problem.Normal(sizes.Datapoints, sizes.Latent, seed: 3), Problem.Normal(sizes.Datapoints, sizes.Latent, seed: 4)];
}
