namespace GapLab.Data;

/// <summary>A file of a catalogued data set. It may be stored unpacked under its name or gzip-compressed with .gz appended.</summary>
/// <param name="Name">File name without .gz.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Format">How it is read.</param>
/// <param name="Count">Number of images or labels.</param>
/// <param name="Bytes">Number of unpacked bytes.</param>
/// <param name="Sha256">SHA-256 of the unpacked bytes, 64 hexadecimal digits.</param>
/// <param name="Published">File name under which the distributor publishes it, below each of the data set's sources.</param>
public sealed record CatalogFile(string Name, CatalogRole Role, CatalogFormat Format, int Count, long Bytes, string Sha256, string Published);
