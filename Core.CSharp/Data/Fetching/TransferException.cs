namespace GapLab.Data.Fetching;

/// <summary>A server or connection that failed; the message continues "ADDRESS ...". It never leaves the downloader.</summary>
/// <param name="problem">What happened.</param>
/// <param name="isFinal">Whether trying the same address again is pointless.</param>
internal sealed class TransferException(string problem, bool isFinal = false) : Exception(problem)
{
    public bool IsFinal { get; } = isFinal;
}
