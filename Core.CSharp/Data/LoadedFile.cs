namespace GapLab.Data;

/// <summary>A file that was read completely, for the provenance of a result.</summary>
/// <param name="Path">Full path of the file as stored (it may be gzip-compressed).</param>
/// <param name="Sha256">SHA-256 of the <em>unpacked</em> bytes, in lower-case hexadecimal digits.</param>
/// <param name="Bytes">Number of unpacked bytes.</param>
public sealed record LoadedFile(string Path, string Sha256, long Bytes);
