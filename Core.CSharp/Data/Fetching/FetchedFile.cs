namespace GapLab.Data.Fetching;

/// <summary>A file that was fetched and found to be the published one.</summary>
/// <param name="Path">Where it lies.</param>
/// <param name="Source">The address it came from; null if it was there already.</param>
/// <param name="Complaints">What went wrong before it worked, one sentence for each address: for instance that a mirror served altered bytes.</param>
public sealed record FetchedFile(string Path, Uri? Source, IReadOnlyList<string> Complaints);
