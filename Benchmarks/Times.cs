namespace GapLab.Benchmarks;

/// <summary>The best times of one unit of work.</summary>
/// <param name="Seconds">Ours.</param>
/// <param name="PeerSeconds">PyTorch's.</param>
/// <param name="PeerThreads">The number of threads with which PyTorch was fastest.</param>
/// <param name="Disturbed">Whether others used the machine in every round.</param>
internal readonly record struct Times(double Seconds, double? PeerSeconds, int? PeerThreads, bool Disturbed);
