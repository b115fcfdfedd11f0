using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>The settings of <see cref="Ais"/> and <see cref="Bdmc"/>; the defaults are the paper's (Cremer et al. 2018), with a starting step of 0.1.</summary>
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

    /// <summary>The density that the path starts from.</summary>
    public AnnealingStart Start { get; init; } = AnnealingStart.Prior;

    /// <summary>Refuses settings that cannot work.</summary>
    /// <exception cref="GapLabException">There are no chains or no leapfrog steps, a step size or rate is out of its range, or the temperatures do not rise from 0 to 1.</exception>
    internal void RequireValid()
    {
        if (Chains < 1 || LeapfrogSteps < 1 || !(InitialStepSize > 0))
            throw new GapLabException($"AIS needs at least 1 chain, 1 leapfrog step and a positive step size, not {Chains}, {LeapfrogSteps} and {InitialStepSize}.");
        if (!(TargetAcceptance > 0 && TargetAcceptance < 1) || !(SmallestStepSize > 0)
            || !(SmallestStepSize <= InitialStepSize) || !(InitialStepSize <= LargestStepSize))
            throw new GapLabException(
                $"AIS: the target acceptance rate must lie between 0 and 1 and the initial step size within its range, not {TargetAcceptance} and {InitialStepSize} in [{SmallestStepSize}, {LargestStepSize}].");
        if (Betas.Length < 2 || Betas[0] != 0 || Betas[^1] != 1 || Betas.Zip(Betas.Skip(1)).Any(pair => !(pair.First < pair.Second)))
            throw new GapLabException("AIS: the inverse temperatures must rise from exactly 0 to exactly 1; AnnealingSchedule makes such ones.");
    }
}
