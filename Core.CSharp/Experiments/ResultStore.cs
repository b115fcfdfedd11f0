using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Specification;

namespace GapLab.Experiments;

/// <summary>
/// A folder of results: trained models and evaluations, each under the hash of its complete description. Everything is written under another name first and
/// then renamed, so that a process that is killed, or a full disk, leaves whole files only; everything is read with its checksum, and what turns out
/// damaged is moved to the folder "damaged" and computed anew. Any number of processes may work on one store.
/// </summary>
/// <remarks>
/// <code>
/// gaplab-store.json                                the format
/// artifacts/IDENTITY/KEY/artifact.json             description, curve, provenance
/// artifacts/IDENTITY/KEY/weights.safetensors       the parameters
/// artifacts/IDENTITY/KEY/checkpoint.safetensors    while it is being trained
/// artifacts/IDENTITY/KEY/end.safetensors           where a longer training goes on from it
/// cells/IDENTITY/KEY.json                          description, averages, provenance
/// cells/IDENTITY/KEY.safetensors                   the numbers of single datapoints
/// cells/IDENTITY/KEY/                              finished blocks, while it is being measured
/// locks/                                           one file for each result that is being computed
/// slurm/                                           job arrays that were submitted to a cluster
/// </code>
/// </remarks>
public sealed partial class ResultStore
{
    private const int Format = 1;
    private const string Marker = "gaplab-store.json";

    private static readonly TimeSpan TakingTime = TimeSpan.FromMilliseconds(200);

    // The locks that this object has given out, with the threads that got them.
    private readonly ConcurrentDictionary<string, int> _held = new();

    private ResultStore(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Told, in one sentence each, of damaged files that were set aside.</summary>
    public event Action<string>? Warned;

    /// <summary>Opens a store; a folder that does not exist or is empty becomes one when the first result is stored.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DataException">The path names a file, or a folder with other contents, or a store of another format, or cannot be read.</exception>
    public static ResultStore Open(string folder)
    {
        if (string.IsNullOrWhiteSpace(folder))
            throw new DataException("Results need a folder; give its name.");
        string path = Path.GetFullPath(folder);
        if (File.Exists(path))
            throw new DataException($"Results cannot be kept in '{folder}', which is a file; name a folder.");
        string marker = Path.Combine(path, Marker);
        if (File.Exists(marker))
        {
            int format = Part<int>(StoredDocument.Read(marker), "format", marker);
            if (format != Format)
                throw new DataException($"The results in '{folder}' have format {format}; this version of GapLab reads format {Format}. Name another folder.");
        }
        else if (HoldsOtherThings(path) && !File.Exists(marker))
        {
            // Looked for again, since another process may have made the store meanwhile.
            throw new DataException($"'{folder}' is not a folder of results, and not empty; name a new one.");
        }
        return new ResultStore(path);
    }

    /// <summary>
    /// Takes the right to compute a result, unless someone else has it. It ends when the returned object is disposed or the process ends, however; where files are shared between
    /// computers, also when its holder has not renewed it for <see cref="StoreLock.Expiry"/>.
    /// </summary>
    /// <param name="key">The result.</param>
    /// <returns>Null if someone else has it.</returns>
    /// <exception cref="DataException">The folder cannot be written to.</exception>
    public StoreLock? TryLock(string key)
    {
        string path = Path.Combine(Prepare("locks"), key);
        try
        {
            return Take(key, path) ?? (Discard(path) ? Take(key, path) : null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
    }

    private StoreLock? Take(string key, string path)
    {
        try
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            _held[key] = Environment.CurrentManagedThreadId;
            return new StoreLock(file, () => _held.TryRemove(key, out _));
        }
        catch (IOException e) when (IsTaken(e))
        {
            return null;
        }
    }

    /// <summary>Removes the file of a lock that has not been renewed; a new one is another lock. If its holder was only asleep, both compute the same bits.</summary>
    private bool Discard(string path)
    {
        bool IsAbandoned() => File.Exists(path) && DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > StoreLock.Expiry;
        if (!IsAbandoned())
            return false;
        // Who has just taken a lock that was left behind has not renewed it yet.
        Thread.Sleep(TakingTime);
        if (!IsAbandoned())
            return false;
        File.Delete(path);
        Warned?.Invoke($"The process that held '{path}' has not renewed it for {StoreLock.Expiry.TotalMinutes:F0} minutes; its work is taken over.");
        return true;
    }

    /// <summary>The results that someone is computing, or was when the process ended.</summary>
    internal HashSet<string> Locked()
    {
        string folder = Path.Combine(Folder, "locks");
        return Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path))] : [];
    }

    /// <summary>Reads a part of a result. If it is damaged, whoever has the right to compute it anew sets it aside.</summary>
    /// <param name="key">The result.</param>
    /// <param name="file">What makes the result exist.</param>
    /// <param name="aside">What is set aside.</param>
    /// <param name="read">Reads the part.</param>
    /// <returns>Null if it is damaged.</returns>
    private T? ReadIntact<T>(string key, string file, string[] aside, Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (DataException)
        {
            // To be looked at again with the lock: without it, the file that another process has just put there might be moved away.
        }
        bool isHeld = _held.TryGetValue(key, out int thread) && thread == Environment.CurrentManagedThreadId;
        using StoreLock? taken = isHeld ? null : TryLock(key);
        if ((taken is null && !isHeld) || !File.Exists(file))
            return null;
        try
        {
            return read();
        }
        catch (DataException e)
        {
            foreach (string path in aside)
                SetAside(path, e);
            return null;
        }
    }

    /// <summary>Moves a damaged file or folder out of the way and says so; only for who has the lock of the result.</summary>
    private void SetAside(string path, DataException reason)
    {
        if (!Path.Exists(path))
            return;
        string target = Path.Combine(Prepare("damaged"), $"{DateTime.UtcNow:yyyyMMdd-HHmmss}-{Guid.NewGuid().ToString("N")[..8]}-{Path.GetFileName(path)}");
        try
        {
            Directory.Move(path, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
        Warned?.Invoke($"{reason.Message} It was moved to '{target}' and will be computed anew.");
    }

    /// <summary>Makes the store and one of its folders exist.</summary>
    private string Prepare(params string[] parts)
    {
        string folder = Path.Combine([Folder, .. parts]);
        if (Directory.Exists(folder))
            return folder;
        try
        {
            Directory.CreateDirectory(Folder);
            // Before any other folder: wherever the process is killed, what it leaves is recognised as a store.
            string marker = Path.Combine(Folder, Marker);
            if (!File.Exists(marker))
                StoredDocument.Write(marker, new JsonObject { ["format"] = Format });
            Directory.CreateDirectory(folder);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
    }

    /// <summary>Removes what killed processes have not finished writing; only for who has the lock of the result.</summary>
    private static void DeleteUnfinished(string folder, string pattern)
    {
        if (Directory.Exists(folder))
            foreach (string path in Directory.EnumerateFiles(folder, pattern))
                File.Delete(path);
    }

    private static bool HoldsOtherThings(string path)
    {
        try
        {
            return Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any(entry => !Path.GetFileName(entry).StartsWith(Marker, StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"The results folder '{path}' cannot be read ({e.Message.TrimEnd('.')}); check its permissions, or name another folder.", e);
        }
    }

    private DataException Unwritable(Exception e) =>
        new($"The results folder '{Folder}' cannot be written to ({e.Message.TrimEnd('.')}); free space or permissions there, or name another folder.", e);

    /// <summary>Whether someone else has the file open: EAGAIN of Linux and macOS, Windows' ERROR_SHARING_VIOLATION.</summary>
    private static bool IsTaken(IOException e) => (e.HResult & 0xFFFF) is 11 or 35 or 32;

    private static JsonObject Member(JsonObject document, string name, string origin) =>
        document[name] as JsonObject ?? throw new DataException($"'{origin}' is damaged: it lacks '{name}'.");

    /// <summary>Reads a part of a document.</summary>
    private static T Part<T>(JsonObject document, string name, string origin)
    {
        try
        {
            return CanonicalJson.To<T>(document[name]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException)
        {
            throw new DataException($"'{origin}' is damaged: '{name}' has another form than it was written in.", e);
        }
    }
}
