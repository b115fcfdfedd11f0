namespace GapLab.Experiments;

/// <summary>What a result that is not stored yet will cost on this machine.</summary>
/// <param name="Title">The result.</param>
/// <param name="Seconds">The time that it will take, from measured rates.</param>
/// <param name="Remark">What the estimate assumes; empty for nothing in particular.</param>
public sealed record CostEstimate(string Title, double Seconds, string Remark);
