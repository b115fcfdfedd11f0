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
        double b = sizes.Datapoints, s = sizes.Samples;
        return Of(
            new Problem(sizes),
            sizes.Samples,
            "training",
            $"training step, batch {sizes.Datapoints}",
            "2 B (3 E - D H) + 2 B S 3 G: forward, gradients of weights, gradients of inputs except the images",
            2 * b * ((3 * sizes.EncoderWeights) - ((double)sizes.Data * sizes.Hidden) + (s * 3 * sizes.DecoderWeights))) with
        {
            FractionFloor = 0.50,
            RatioFloor = 3,
        };
    }

    /// <summary>The same with a flow as the family of q.</summary>
    /// <param name="sizes">The sizes.</param>
    public static Workload CreateFlow(Sizes sizes)
    {
        double b = sizes.Datapoints, s = sizes.Samples;
        return Of(
            new Problem(sizes, flow: true),
            sizes.Samples,
            "flow-training",
            $"training step with a flow, batch {sizes.Datapoints}",
            "2 B (3 E - D H) + 2 B S 3 (G + Q)",
            2 * b * ((3 * sizes.EncoderWeights) - ((double)sizes.Data * sizes.Hidden) + (s * 3 * (sizes.DecoderWeights + sizes.FlowWeights)))) with
        {
            FractionFloor = 0.45,
        };
    }

    private static Workload Of(Problem problem, int samples, string key, string name, string formula, double operations)
    {
        var adam = new Adam(problem.Vae.Parameters, new AdamOptions());
        var rule = new JointGradient(samples);
        var gradients = new Tensor[problem.Vae.Parameters.Count];
        var step = 0;

        void Run()
        {
            using var scope = MemoryScope.Enter();
            _ = rule.Gradients(problem.Vae, problem.Images, problem.Stream, step++, ObjectiveWeights.Elbo, gradients).Sum().ToDouble();
            adam.Ascend(gradients);
        }

        return new Workload(key, name, formula, operations, Run);
    }
}
