namespace GapLab.Data;

/// <summary>An array of a MATLAB file, in MATLAB's order: the first index runs fastest.</summary>
/// <param name="Dimensions">Its sizes, at least two.</param>
/// <param name="Bytes">The numbers if their class is that of unsigned bytes or logicals; null otherwise.</param>
/// <param name="Reals">The numbers if they are not bytes, in single precision; null otherwise.</param>
/// <param name="File">The file it was read from, with its checksum.</param>
public sealed record MatArray(IReadOnlyList<int> Dimensions, byte[]? Bytes, float[]? Reals, LoadedFile File);
