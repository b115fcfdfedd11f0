namespace GapLab.Training;

/// <summary>How a run is kept from being lost.</summary>
/// <param name="Interval">The time between two checkpoints.</param>
/// <param name="Save">Stores a checkpoint. It is also called when the run is cancelled.</param>
/// <param name="Resume">Where an earlier run was, or a shorter one ended; null to start anew.</param>
/// <param name="End">Stores the state at the end of the last epoch, from which a longer run can go on; null for not at all.</param>
public sealed record Checkpointing(TimeSpan Interval, Action<Checkpoint> Save, Checkpoint? Resume = null, Action<Checkpoint>? End = null);
