namespace GapLab.Data;

/// <summary>Where a part of a data set comes from: images First .. First + Count - 1 of a file or generator.</summary>
/// <param name="Part">"train", "validation" or "test".</param>
/// <param name="Source">Name of the file, or of the generator.</param>
/// <param name="First">First image, counted from 0.</param>
/// <param name="Count">Number of images.</param>
public sealed record SplitRange(string Part, string Source, int First, int Count)
{
    /// <summary>For provenance, for example "validation = train-images-idx3-ubyte[50000..60000)".</summary>
    public override string ToString() => $"{Part} = {Source}[{First}..{(long)First + Count})";
}
