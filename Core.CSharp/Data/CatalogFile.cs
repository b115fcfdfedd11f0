namespace GapLab.Data;

/// <summary>A file of a catalogued data set. It may be stored unpacked under its name or gzip-compressed with .gz appended.</summary>
/// <param name="Name">File name without .gz.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Format">How it is read.</param>
/// <param name="Count">Number of datapoints, labels or words; 0 where files of one's own take the place of published ones and may have any number.</param>
/// <param name="Bytes">Number of unpacked bytes; 0 where they are not known.</param>
/// <param name="Sha256">SHA-256 of the unpacked bytes, 64 hexadecimal digits; empty where no file is published that could be compared.</param>
/// <param name="Published">File name under which the distributor publishes it, below each of the data set's sources.</param>
/// <param name="Variable">Which variable of a MATLAB file it is; a file may be listed several times, for several variables. Empty for other formats.</param>
public sealed record CatalogFile(string Name, CatalogRole Role, CatalogFormat Format, int Count, long Bytes, string Sha256, string Published, string Variable = "")
{
    /// <summary>Whether there is a published file that a copy can be compared with.</summary>
    public bool HasChecksum => Sha256.Length > 0;
}
