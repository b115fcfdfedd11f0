using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace GapLab.Data;

/// <summary>
/// Named arrays in the safetensors format, which PyTorch, JAX and others read and write: the length of the header (8 bytes, little-endian), the header in JSON,
/// {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {name: text}}, and the data, which the entries cover without holes or overlaps.
/// Files are not trusted: whatever they hold, reading takes memory in proportion to their size and gives the entries or a <see cref="DataException"/>.
/// </summary>
public sealed class SafetensorsFile
{
    private const int NearestNames = 3;

    private static readonly UTF8Encoding Unicode = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string _origin;
    private readonly Dictionary<string, SafetensorsEntry> _byName;

    private SafetensorsFile(string origin, SafetensorsEntry[] entries, IReadOnlyDictionary<string, string> metadata)
    {
        _origin = origin;
        Entries = entries;
        Metadata = metadata;
        _byName = entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
    }

    /// <summary>The entries in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>What "__metadata__" says; empty without it.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The entry of a name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="DataException">There is none; the message lists the names that are most like it.</exception>
    public SafetensorsEntry this[string name] => TryGet(name, out SafetensorsEntry? entry) ? entry : throw Missing(name);

    /// <summary>Looks for an entry.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="entry">The entry, if there is one.</param>
    public bool TryGet(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SafetensorsEntry? entry) => _byName.TryGetValue(name, out entry);

    /// <summary>Reads a file that is in memory; the entries share its bytes.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="origin">What messages call it.</param>
    /// <exception cref="DataException">The bytes break a rule of the format: names the origin and the entry.</exception>
    public static SafetensorsFile Parse(ReadOnlyMemory<byte> bytes, string origin)
    {
        (SafetensorsEntry[] entries, Dictionary<string, string> metadata) = SafetensorsHeader.Read(bytes, origin);
        return new SafetensorsFile(origin, entries, metadata);
    }

    /// <summary>Reads a file of less than 2 GB.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">The file cannot be read, or breaks a rule of the format: names it and the entry.</exception>
    public static SafetensorsFile Read(string path) => Parse(ReadBytes(path), path);

    /// <summary>The bytes of a file of less than 2 GB.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">The file cannot be read.</exception>
    internal static byte[] ReadBytes(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (file.Length > Array.MaxLength)
                throw new DataException($"'{path}' has {file.Length} bytes, more than the {Array.MaxLength} that can be read; split it.");
            byte[] bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (IsOfFiles(e) || e is OutOfMemoryException)
        {
            throw new DataException($"'{path}' cannot be read ({OneLine(e)}); check the path and its permissions.", e);
        }
    }

    /// <summary>
    /// Writes a file: under another name first, then renamed, so that the path never names half a file. The same entries and metadata give the same bytes.
    /// </summary>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <param name="entries">The entries, in the order in which they are stored.</param>
    /// <param name="metadata">Text to store with them, if any; it is stored in the order of its names.</param>
    /// <exception cref="DataException">The entries are no valid content of one file, or it cannot be written: names the file and the entry.</exception>
    public static void Write(string path, IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata)
    {
        byte[] header = Header(entries, metadata, path);
        string unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            try
            {
                using (var file = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write))
                {
                    WriteAll(file, header, entries);
                    file.Flush(flushToDisk: true);
                }
                File.Move(unfinished, path, overwrite: true);
            }
            finally
            {
                File.Delete(unfinished);
            }
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            throw new DataException($"'{path}' cannot be written ({OneLine(e)}); check the folder, its permissions and the free space.", e);
        }
    }

    /// <summary>Writes the bytes of a file to a stream.</summary>
    /// <inheritdoc cref="Write(string, IReadOnlyList{SafetensorsEntry}, IReadOnlyDictionary{string, string})"/>
    /// <param name="stream">Where to.</param>
    /// <param name="entries">The entries, in the order in which they are stored.</param>
    /// <param name="metadata">Text to store with them, if any; it is stored in the order of its names.</param>
    public static void Write(Stream stream, IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata) =>
        WriteAll(stream, Header(entries, metadata, "the stream"), entries);

    /// <summary>The bytes of a file.</summary>
    /// <inheritdoc cref="Write(string, IReadOnlyList{SafetensorsEntry}, IReadOnlyDictionary{string, string})"/>
    /// <param name="entries">The entries, in the order in which they are stored.</param>
    /// <param name="metadata">Text to store with them, if any; it is stored in the order of its names.</param>
    public static byte[] ToBytes(IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata)
    {
        byte[] header = Header(entries, metadata, "the file");
        long total = header.Length + entries.Sum(entry => (long)entry.Data.Length);
        if (total > Array.MaxLength)
            throw new DataException($"The entries make {total} bytes, more than one array can hold; write them to a file.");
        var bytes = new byte[total];
        WriteAll(new MemoryStream(bytes), header, entries);
        return bytes;
    }

    private static void WriteAll(Stream stream, byte[] header, IReadOnlyList<SafetensorsEntry> entries)
    {
        stream.Write(header);
        foreach (SafetensorsEntry entry in entries)
            stream.Write(entry.Data.Span);
    }

    /// <summary>Everything before the data, padded with blanks so that the data begin at a multiple of 8.</summary>
    private static byte[] Header(IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata, string target)
    {
        var buffer = new MemoryStream();
        buffer.Write(stackalloc byte[SafetensorsHeader.PrefixBytes]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string name, string text) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(Text(name, target), Text(text, target));
                json.WriteEndObject();
            }
            var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataName };
            long offset = 0;
            foreach (SafetensorsEntry entry in entries)
            {
                if (!names.Add(Text(entry.Name, target)))
                    throw new DataException($"The entry '{SafetensorsEntry.Shown(entry.Name)}' cannot be written to '{target}': the name is taken; give every entry its own.");
                if (SafetensorsEntry.Problem(entry.Type, entry.Shape, entry.Data.Length) is { } problem)
                    throw new DataException($"The entry '{SafetensorsEntry.Shown(entry.Name)}' cannot be written to '{target}': it {problem}.");
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", entry.Type);
                WriteIntegers(json, "shape", entry.Shape);
                WriteIntegers(json, "data_offsets", [offset, offset += entry.Data.Length]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        byte[] header = buffer.ToArray();
        int length = header.Length - SafetensorsHeader.PrefixBytes;
        if (length > SafetensorsHeader.MaxBytes)
            throw new DataException($"'{target}' would have a header of {length} bytes, more than the {SafetensorsHeader.MaxBytes} that the format allows; store fewer entries.");
        BinaryPrimitives.WriteInt64LittleEndian(header, length);
        return header;
    }

    private static void WriteIntegers(Utf8JsonWriter json, string name, IReadOnlyList<long> values)
    {
        json.WriteStartArray(name);
        foreach (long value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    /// <summary>The text itself, unless it holds half of a surrogate pair, which the writer would replace.</summary>
    private static string Text(string text, string target)
    {
        try
        {
            Unicode.GetByteCount(text);
            return text;
        }
        catch (EncoderFallbackException e)
        {
            throw new DataException($"The name or text '{SafetensorsEntry.Shown(text)}' cannot be written to '{target}': it is no valid Unicode text.", e);
        }
    }

    /// <summary>The names that are most like a missing one, as the end of a sentence.</summary>
    internal string Nearest(string name)
    {
        IEnumerable<string> nearest = Entries.OrderByDescending(entry => Likeness(entry.Name, name)).Take(NearestNames).Select(entry => $"'{SafetensorsEntry.Shown(entry.Name)}'");
        return Entries.Count == 0
            ? "it has none at all, so check that it is the right file"
            : $"the nearest of its {Entries.Count} names {(Entries.Count == 1 ? "is" : "are")} {string.Join(", ", nearest)}";
    }

    private DataException Missing(string name) => new($"'{_origin}' has no entry '{SafetensorsEntry.Shown(name)}'; {Nearest(name)}.");

    /// <summary>How much of two names is the same from the left and from the right, less what is over: names differ by a slip or by one part of a path.</summary>
    private static int Likeness(string a, string b)
    {
        int length = Math.Min(a.Length, b.Length), left = a.AsSpan().CommonPrefixLength(b), right = 0;
        while (right < length - left && a[^(right + 1)] == b[^(right + 1)])
            right++;
        return 2 * (left + right) - a.Length - b.Length;
    }

    private static bool IsOfFiles(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
}
