namespace GapLab.Data.Fetching;

/// <summary>Compares stored files with the published ones.</summary>
public static class FileCheck
{
    private const int BufferBytes = 1 << 16;

    /// <summary>Reads a file, packed or not, and compares its unpacked bytes. Never unpacks more than the published file has.</summary>
    /// <param name="path">The file.</param>
    /// <param name="file">What it should be.</param>
    /// <exception cref="DataException">The file is missing or cannot be opened.</exception>
    public static FileState Of(string path, CatalogFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using UnpackedFile stored = UnpackedFile.Open(path);
        if (!file.HasChecksum)
            return FileState.Unpublished;
        byte[] buffer = new byte[BufferBytes];
        try
        {
            while (stored.Position <= file.Bytes)
            {
                if (stored.Read(buffer) < buffer.Length)
                    break;
            }
        }
        catch (DataException)
        {
            // A packed file that is cut off and one that is damaged look alike until everything is there.
            return FileState.Incomplete;
        }

        if (stored.Position != file.Bytes)
            return stored.Position < file.Bytes ? FileState.Incomplete : FileState.Altered;
        return stored.Finish(null).Sha256.Equals(file.Sha256, StringComparison.OrdinalIgnoreCase) ? FileState.Genuine : FileState.Altered;
    }

    internal static bool IsPacked(string path)
    {
        using UnpackedFile stored = UnpackedFile.Open(path);
        return stored.IsPacked;
    }
}
