namespace GapLab.Data;

/// <summary>The content of an idx file of unsigned bytes.</summary>
/// <param name="Dimensions">Sizes, outermost first: [N] for labels, [N, height, width] for images.</param>
/// <param name="Values">The values in row-major order, as many as the product of the dimensions.</param>
/// <param name="File">The file they came from, with its checksum.</param>
public sealed record IdxArray(IReadOnlyList<int> Dimensions, ReadOnlyMemory<byte> Values, LoadedFile File);
