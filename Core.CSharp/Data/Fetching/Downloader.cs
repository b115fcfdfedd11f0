namespace GapLab.Data.Fetching;

/// <summary>
/// Fetches catalogued files over HTTP. A file is put in its place in one step, once its unpacked bytes have the published checksum; until then it
/// is FILE.part, which a later attempt, or a later run, continues. Altered bytes are deleted and the next address is tried.
/// </summary>
public sealed class Downloader : IDisposable
{
    private const int MostRedirects = 10;
    private const string Lacking = "answers 4";

    private readonly FetchOptions _options;
    private readonly HttpClient _client;

    /// <summary>Prepares to fetch.</summary>
    /// <param name="options">Mirrors, attempts and time limits.</param>
    /// <exception cref="DataException">A mirror is no http or https address.</exception>
    public Downloader(FetchOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Attempts, 1);
        if (options.Mirrors.FirstOrDefault(mirror => !IsWebAddress(mirror)) is { } other)
            throw new DataException($"The mirror '{other}' is no address that starts with http:// or https://; correct --mirror or {FetchOptions.MirrorsVariable}.");
        _options = options;
        SocketsHttpHandler handler = new() { ConnectTimeout = options.StallTimeout, MaxAutomaticRedirections = MostRedirects };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _client.DefaultRequestHeaders.UserAgent.ParseAdd("GapLab");
    }

    /// <summary>The folder of a data set's files: below a data folder, or the data folder itself if it bears the data set's name.</summary>
    public static string FolderOf(CatalogEntry entry, string dataFolder)
    {
        ArgumentNullException.ThrowIfNull(entry);
        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(dataFolder));
        return Path.GetFileName(folder) == entry.Name ? folder : Path.Combine(folder, entry.Name);
    }

    /// <summary>Fetches a file unless it is there; one that is there and altered is replaced.</summary>
    /// <param name="entry">The data set.</param>
    /// <param name="file">One of its files.</param>
    /// <param name="dataFolder">Where to put it, see <see cref="FolderOf"/>; created if need be.</param>
    /// <param name="report">Told the fraction that is done, from 0 to 1.</param>
    /// <param name="cancellation">Stops; what has come is kept.</param>
    /// <exception cref="DataException">No address had it, the folder cannot be written, or another process is fetching into it.</exception>
    public async Task<FetchedFile> FetchAsync(
        CatalogEntry entry, CatalogFile file, string dataFolder, Action<double>? report = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ArgumentNullException.ThrowIfNull(file);
        if (entry.Instructions.Length > 0 && _options.Mirrors.Count == 0)
            throw new DataException($"'{entry.Name}' cannot be fetched, because its files are not published one by one. {entry.Instructions}");
        if (!file.HasChecksum)
            throw new DataException($"{file.Name} of '{entry.Name}' cannot be fetched, because no file is published that it could be checked against. {entry.Instructions}".TrimEnd());
        string folder = FolderOf(entry, dataFolder);
        using FolderLock folderLock = new(folder);
        string[] present = [.. ((string[])[Path.Combine(folder, file.Name), Path.Combine(folder, file.Name + ".gz")]).Where(File.Exists)];
        if (present.Length > 0 && present.All(path => FileCheck.Of(path, file) == FileState.Genuine))
            return new FetchedFile(present[0], null, []);

        List<string> complaints = [.. present.Select(path => $"'{path}' was not the published file and had to be replaced")];
        using PartFile part = new(Path.Combine(folder, file.Name + ".part"));
        // gzip never adds more to what it cannot compress.
        long largest = file.Bytes + (file.Bytes / 100) + (1 << 16);
        Transfer transfer = new(_client, _options.StallTimeout, largest, (bytes, total) => report?.Invoke(Math.Min(1.0, (double)bytes / (total ?? file.Bytes))));
        foreach (IReadOnlyList<Uri> place in Places(entry, file))
        {
            string complaint = "";
            foreach (Uri source in place)
            {
                string? problem = await TryAsync(source, file, part, transfer, cancellation).ConfigureAwait(false);
                if (problem is null)
                {
                    string path = Path.Combine(folder, file.Name + (FileCheck.IsPacked(part.Path) ? ".gz" : ""));
                    part.MoveTo(path);
                    foreach (string other in present.Where(other => other != path))
                        File.Delete(other);
                    return new FetchedFile(path, source, complaints);
                }

                // A place may have the file under another name, unless it could not be reached or served something else.
                complaint = $"{source} {problem}";
                if (!problem.StartsWith(Lacking, StringComparison.Ordinal))
                    break;
            }

            complaints.Add(complaint);
        }

        throw new DataException(
            $"{file.Name} of '{entry.Name}' could not be fetched: {(complaints.Count == 0 ? "no address is known" : string.Join("; ", complaints))}; check the connection and run the same command again, which continues where it stopped, name another address with --mirror, or, if you have the files, their folder with --data or GAPLAB_DATA.");
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    // Null when the part is the published file; otherwise what went wrong.
    private async Task<string?> TryAsync(Uri source, CatalogFile file, PartFile part, Transfer transfer, CancellationToken cancellation)
    {
        string problem = "";
        for (int attempt = 0; attempt < _options.Attempts; attempt++)
        {
            if (attempt > 0)
                await Task.Delay(_options.BackOff * Math.Pow(2, attempt - 1), cancellation).ConfigureAwait(false);
            bool isContinued = part.Length > 0 && part.Source == source.ToString();
            bool isWhole = false;
            try
            {
                isWhole = await transfer.RunAsync(source, part, cancellation).ConfigureAwait(false);
                problem = "sent less than the whole file";
            }
            catch (TransferException e)
            {
                problem = e.Message;
                if (e.IsFinal)
                    return problem;
            }

            FileState state = part.Source == source.ToString() ? FileCheck.Of(part.Path, file) : FileState.Incomplete;
            if (state == FileState.Genuine)
                return null;
            if (!isWhole && state == FileState.Incomplete)
                continue;

            part.Delete();
            problem = "served other bytes than the published ones, which were deleted";
            // The first half may have been of another version; the next attempt does without it.
            if (!isContinued)
                return problem;
        }

        return $"{problem} ({_options.Attempts} attempts)";
    }

    // For each place its addresses of the file.
    private IEnumerable<IReadOnlyList<Uri>> Places(CatalogEntry entry, CatalogFile file)
    {
        if (_options.Mirrors.Count == 0)
            return entry.Sources.Select(source => (Uri[])[Below(source, file.Published)]);
        string[] names = [.. ((string[])[file.Published, file.Name + ".gz", file.Name]).Distinct()];
        return _options.Mirrors.Select(
            mirror => (Uri[])[.. from folder in (string[])[entry.Name + "/", ""] from name in names select Below(mirror, folder + name)]);
    }

    private static Uri Below(string address, string path) => new(new Uri(address.EndsWith('/') ? address : address + "/"), path);

    private static bool IsWebAddress(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}
