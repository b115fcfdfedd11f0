namespace GapLab.Models;

/// <summary>What the log-variances of Gaussian outputs are.</summary>
public enum OutputVariance
{
    /// <summary>One learnt number for all dimensions.</summary>
    Global,

    /// <summary>One learnt number for each dimension, bounded; initially normal with standard deviation 0.25 around a common number.</summary>
    PerDimension,

    /// <summary>Further outputs of the decoder, bounded.</summary>
    Network,
}
