using GapLab.Inference;

namespace GapLab.Benchmarks;

/// <summary>Steps of optimising each datapoint's own λ and its own copy of a flow's networks, with a decoder that stays as it is.</summary>
internal static class FlowLocalWorkload
{
    private const int Steps = 20;

    public static Sizes Sizes { get; } = new(Datapoints: 10, Samples: 100);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes, flow: true);
        var optimizer = new LocalOptimizer(new LocalOptimizerOptions { Samples = sizes.Samples, MaximumSteps = Steps });
        double rows = (double)sizes.Datapoints * sizes.Samples;
        return new Workload(
            "flow-local",
            $"local step of a flow, {sizes.Datapoints} x {sizes.Samples} samples",
            "2 B S (2 G + 3 Q): forward, gradients of inputs, gradients of the flow's weights",
            2 * rows * ((2 * sizes.DecoderWeights) + (3 * sizes.FlowWeights)),
            () => optimizer.Optimize(problem.Model, problem.Family, problem.Images, problem.Stream, static _ => 0),
            Steps)
        {
            FractionFloor = 0.40,
        };
    }
}
