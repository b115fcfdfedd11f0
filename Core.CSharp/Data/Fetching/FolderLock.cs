namespace GapLab.Data.Fetching;

/// <summary>
/// Keeps a second process from fetching into the same folder. The lock file stays behind, empty: deleting it could take it from under a process
/// that has just opened it.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    private const string Name = ".fetching";

    private readonly FileStream _stream;

    /// <exception cref="DataException">Another process fetches into the folder, or the folder cannot be written.</exception>
    public FolderLock(string folder)
    {
        try
        {
            _ = Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(folder, e);
        }

        string path = Path.Combine(folder, Name);
        try
        {
            _stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new DataException($"Another process is fetching into '{folder}' (it holds '{path}'); wait until it is done and run this again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(folder, e);
        }
    }

    public void Dispose() => _stream.Dispose();

    private static DataException Unwritable(string folder, Exception e) => new(
        $"The folder '{folder}' cannot be written ({e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}); make it writable or name another with --data.", e);
}
