using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>How experiments are run. None of it changes a result but the device, by rounding, which provenance therefore names.</summary>
public sealed record RunnerOptions
{
    /// <summary>Where everything is computed.</summary>
    public required Device Device { get; init; }

    /// <summary>A folder with data files that is searched first, or null.</summary>
    public string? DataFolder { get; init; }

    /// <summary>The time between two checkpoints of a training.</summary>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The time after which measured datapoints are stored, at the latest.</summary>
    public TimeSpan BlockInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether results of other revisions will do, marked as stale; otherwise they are computed anew.</summary>
    public bool AcceptStale { get; init; } = true;
}
