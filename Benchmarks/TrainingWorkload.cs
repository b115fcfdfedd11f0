using GapLab.Differentiation;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;

namespace GapLab.Benchmarks;

/// <summary>One step of training, as <c>Trainer</c> does it: the gradients of the ELBO with one sample, then Adam. The batch is prepared before.</summary>
internal static class TrainingWorkload
{
    public static Sizes Sizes { get; } = new(Datapoints: 100, Samples: 1);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);
        var adam = new Adam(problem.Vae.Parameters, new AdamOptions());
        var rule = new JointGradient(sizes.Samples);
        var gradients = new Tensor[problem.Vae.Parameters.Count];
        var step = 0;
        double b = sizes.Datapoints, s = sizes.Samples;

        void Run()
        {
            using var scope = MemoryScope.Enter();
            _ = rule.Gradients(problem.Vae, problem.Images, problem.Stream, step++, ObjectiveWeights.Elbo, gradients).Sum().ToDouble();
            adam.Ascend(gradients);
        }

        return new Workload(
            "training",
            $"training step, batch {sizes.Datapoints}",
            "2 B (3 E - D H) + 2 B S 3 G: forward, gradients of weights, gradients of inputs except the images",
            2 * b * ((3 * sizes.EncoderWeights) - ((double)sizes.Data * sizes.Hidden) + (s * 3 * sizes.DecoderWeights)),
            Run)
        {
            FractionFloor = 0.50,
            RatioFloor = 3,
        };
    }
}
