namespace GapLab.Bounds;

/// <summary>The settings of <see cref="Ais"/>; the defaults are the paper's (Cremer et al. 2018), with a starting step of 0.1.</summary>
public sealed record AisOptions
{
    /// <summary>Independent chains for each datapoint.</summary>
    public int Chains { get; init; } = 100;

    /// <summary>The inverse temperatures, both ends included; see <see cref="AnnealingSchedule"/>.</summary>
    public double[] Betas { get; init; } = AnnealingSchedule.Linear(500);

    /// <summary>Leapfrog steps of one Hamiltonian Monte-Carlo trajectory.</summary>
    public int LeapfrogSteps { get; init; } = 10;

    /// <summary>The step size that adaptation starts from. With 500 distributions a start of 0.01 costs 2 to 3 nats.</summary>
    public double InitialStepSize { get; init; } = 0.1;

    /// <summary>The acceptance rate that adaptation steers towards.</summary>
    public double TargetAcceptance { get; init; } = 0.65;

    /// <summary>No step becomes smaller.</summary>
    public double SmallestStepSize { get; init; } = 1e-4;

    /// <summary>No step becomes larger.</summary>
    public double LargestStepSize { get; init; } = 0.5;

    /// <summary>How step sizes are found.</summary>
    public StepSizeMode StepSizes { get; init; } = StepSizeMode.Adaptive;
}
