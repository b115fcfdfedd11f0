using System.Text;

namespace GapLab.Data.Fetching;

/// <summary>
/// What has been fetched of a file so far, FILE.part, and beside it in FILE.part.from the address it came from and the mark (ETag or date) that
/// the server gave it: a later attempt continues only the same version of the same address. Failures of the disk become a
/// <see cref="DataException"/>.
/// </summary>
internal sealed class PartFile : IDisposable
{
    private readonly string _notesPath;
    private FileStream? _stream;

    public PartFile(string path)
    {
        Path = path;
        _notesPath = path + ".from";
        Guard(() =>
        {
            string[] notes = File.Exists(_notesPath) && File.Exists(Path) ? File.ReadAllLines(_notesPath) : [];
            Source = notes.Length > 0 ? notes[0] : null;
            Mark = notes.Length > 1 && notes[1].Length > 0 ? notes[1] : null;
        });
    }

    public string Path { get; }

    /// <summary>Where the bytes so far come from; null if there are none or it is unknown.</summary>
    public string? Source { get; private set; }

    /// <summary>The server's mark of that version, as it stands in If-Range; null if it gave none.</summary>
    public string? Mark { get; private set; }

    /// <summary>Number of bytes so far.</summary>
    public long Length => _stream?.Length ?? (File.Exists(Path) ? new FileInfo(Path).Length : 0);

    /// <summary>Starts afresh with the bytes of an address.</summary>
    public void Begin(Uri source, string? mark) => Guard(() =>
    {
        Close();
        File.Delete(_notesPath);
        _stream = Open(FileMode.Create);
        File.WriteAllText(_notesPath, $"{source}\n{mark}\n", Encoding.UTF8);
        (Source, Mark) = (source.ToString(), mark);
    });

    /// <summary>Goes on at the end.</summary>
    public void Continue() => Guard(() => _stream ??= Open(FileMode.Append));

    public void Write(ReadOnlyMemory<byte> bytes) => Guard(() => _stream!.Write(bytes.Span));

    /// <summary>Makes sure the bytes are on the disk, and lets go of the file.</summary>
    public void Close() => Guard(() =>
    {
        using FileStream? stream = _stream;
        _stream = null;
        stream?.Flush(flushToDisk: true);
    });

    /// <summary>Forgets everything.</summary>
    public void Delete() => Guard(() =>
    {
        Close();
        File.Delete(Path);
        File.Delete(_notesPath);
        (Source, Mark) = (null, null);
    });

    /// <summary>Makes it the finished file, in one step.</summary>
    public void MoveTo(string path) => Guard(() =>
    {
        Close();
        File.Move(Path, path, overwrite: true);
        File.Delete(_notesPath);
    });

    public void Dispose()
    {
        _stream?.Dispose();
        _stream = null;
    }

    // Nothing is buffered, so what was fetched survives a process that is stopped.
    private FileStream Open(FileMode mode) => new(Path, mode, FileAccess.Write, FileShare.Read, bufferSize: 0);

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException(
                $"'{Path}' cannot be written ({e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}); free some space, make the folder writable or name another with --data, and run the same command again, which continues where it stopped.", e);
        }
    }
}
