using GapLab.Bounds;

namespace GapLab.Benchmarks;

/// <summary>Transitions of annealed importance sampling with Hamiltonian moves.</summary>
internal static class AisWorkload
{
    private const int Transitions = 10;
    private const int LeapfrogSteps = 10;

    public static Sizes Sizes { get; } = new(Datapoints: 10, Samples: 100);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);

        // Neither end of the path has a transition; the evaluation at the start adds one gradient pass to all of them.
        var ais = new Ais(new AisOptions
        {
            Chains = sizes.Samples,
            Betas = AnnealingSchedule.Linear(Transitions + 2),
            LeapfrogSteps = LeapfrogSteps,
        });
        return new Workload(
            "ais",
            $"AIS transition, {sizes.Datapoints} x {sizes.Samples} chains",
            "2 B S L 2 G: for each of L = 10 leapfrog steps forward and gradients of inputs; the gradient at the start is known",
            4.0 * sizes.Datapoints * sizes.Samples * LeapfrogSteps * sizes.DecoderWeights,
            () => ais.Run(problem.Model, problem.Images, problem.Stream),
            Transitions)
        {
            FractionFloor = 0.65,
            RatioFloor = 4,
        };
    }
}
