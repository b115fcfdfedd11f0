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
/// cells/IDENTITY/KEY.json                          description, averages, provenance
/// cells/IDENTITY/KEY.safetensors                   the numbers of single datapoints
/// cells/IDENTITY/KEY/                              finished blocks, while it is being measured
/// locks/                                           one file for each result that is being computed
/// </code>
/// </remarks>
public sealed partial class ResultStore
{
    private const int Format = 1;
    private const string Marker = "gaplab-store.json";

    private ResultStore(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Told, in one sentence each, of damaged files that were set aside.</summary>
    public event Action<string>? Warned;

    /// <summary>Opens a store; a folder that does not exist or is empty becomes one when the first result is stored.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DataException">The path names a file, or a folder with other contents, or a store of another format.</exception>
    public static ResultStore Open(string folder)
    {
        string path = Path.GetFullPath(folder);
        if (File.Exists(path))
            throw new DataException($"Results cannot be kept in '{folder}', which is a file; name a folder.");
        string marker = Path.Combine(path, Marker);
        if (File.Exists(marker))
        {
            int format = StoredDocument.Read(marker)["format"]?.GetValue<int>() ?? 0;
            if (format != Format)
                throw new DataException($"The results in '{folder}' have format {format}; this version of GapLab reads format {Format}. Name another folder.");
        }
        else if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            throw new DataException($"'{folder}' is not a folder of results, and not empty; name a new one.");
        }
        return new ResultStore(path);
    }

    /// <summary>Takes the right to compute a result, unless another process has it. It ends when the returned object is disposed or the process ends, however.</summary>
    /// <param name="key">The result.</param>
    /// <exception cref="DataException">The folder cannot be written to.</exception>
    internal StoreLock? TryLock(string key)
    {
        Prepare("locks");
        try
        {
            return new StoreLock(new FileStream(Path.Combine(Folder, "locks", key), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unwritable(e);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            return IsFull(e) ? throw Unwritable(e) : null;
        }
    }

    /// <summary>Moves a damaged file or folder out of the way and says so.</summary>
    private void SetAside(string path, DataException reason)
    {
        Prepare("damaged");
        string target = Path.Combine(Folder, "damaged", $"{DateTime.UtcNow:yyyyMMdd-HHmmss}-{Guid.NewGuid().ToString("N")[..8]}-{Path.GetFileName(path)}");
        try
        {
            if (Directory.Exists(path))
                Directory.Move(path, target);
            else if (File.Exists(path))
                File.Move(path, target);
        }
        catch (FileNotFoundException)
        {
            // Another process has set it aside.
            return;
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
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
        string marker = Path.Combine(Folder, Marker);
        if (!File.Exists(marker))
            StoredDocument.Write(marker, new JsonObject { ["format"] = Format });
        return folder;
    }

    private DataException Unwritable(Exception e) =>
        new($"The results folder '{Folder}' cannot be written to ({e.Message.TrimEnd('.')}); free space or permissions there, or name another folder.", e);

    /// <summary>ENOSPC, EDQUOT and Windows' ERROR_DISK_FULL, as opposed to a file that another process holds.</summary>
    private static bool IsFull(IOException e) => (e.HResult & 0xFFFF) is 28 or 122 or 112;

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
