using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;

namespace GapLab.Data;

/// <summary>
/// The header of a safetensors file, read from bytes that nobody vouches for. It refuses what the format's reference implementation refuses, and
/// what its description calls invalid but that lets pass: a header that does not begin with a brace, and names that occur twice.
/// </summary>
internal ref struct SafetensorsHeader
{
    /// <summary>The longest header that the format allows.</summary>
    public const int MaxBytes = 100_000_000;

    /// <summary>The bytes before the header: its length.</summary>
    public const int PrefixBytes = sizeof(long);

    /// <summary>The name that holds the metadata and that no entry can have.</summary>
    public const string MetadataName = "__metadata__";

    private const int MaxDepth = 16;
    private const int MaxRank = 64;

    private readonly string _origin;
    private readonly ReadOnlyMemory<byte> _data;
    private readonly List<(SafetensorsEntry Entry, long Begin)> _entries = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private Utf8JsonReader _reader;

    private SafetensorsHeader(ReadOnlyMemory<byte> bytes, string origin)
    {
        _origin = origin;
        if (bytes.Length < PrefixBytes)
            throw Refused($"has {bytes.Length} bytes, too few for the length of a header");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(bytes.Span);
        if (length > MaxBytes)
            throw Refused($"announces a header of {length} bytes, more than the {MaxBytes} that the format allows");
        if (length > (ulong)(bytes.Length - PrefixBytes))
            throw Refused($"announces a header of {length} bytes but goes on for {bytes.Length - PrefixBytes} only");
        ReadOnlySpan<byte> header = bytes.Span.Slice(PrefixBytes, (int)length);
        if (header.IsEmpty || header[0] != (byte)'{')
            throw Refused("has a header that does not begin with '{'");
        if (!Utf8.IsValid(header))
            throw Refused("has a header that is no UTF-8 text");
        _data = bytes[(PrefixBytes + (int)length)..];
        _reader = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    /// <summary>The entries in the order of their data, and the metadata.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="origin">What messages call it.</param>
    /// <exception cref="DataException">The file breaks a rule of the format.</exception>
    public static (SafetensorsEntry[] Entries, Dictionary<string, string> Metadata) Read(ReadOnlyMemory<byte> bytes, string origin)
    {
        var header = new SafetensorsHeader(bytes, origin);
        try
        {
            header.ReadAll();
        }
        // The reader gives the second for text that no string can hold, such as half of a surrogate pair.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DataException($"'{origin}' has a header that is no valid JSON near its byte {header._reader.BytesConsumed}; it is damaged or no safetensors file.", e);
        }
        return (header.InOrder(), header._metadata);
    }

    private void ReadAll()
    {
        _reader.Read();
        while (NextName() is { } name)
        {
            if (!_names.Add(name))
                throw Refused($"has two entries '{SafetensorsEntry.Shown(name)}'");
            _reader.Read();
            if (name == MetadataName)
                ReadMetadata();
            else
                ReadEntry(name);
        }
        // Throws where anything but blanks follows.
        _reader.Read();
    }

    private void ReadMetadata()
    {
        Expect(JsonTokenType.StartObject, MetadataName, "must be an object");
        while (NextName() is { } name)
        {
            _reader.Read();
            Expect(JsonTokenType.String, MetadataName, $"must have text for '{SafetensorsEntry.Shown(name)}'");
            if (!_metadata.TryAdd(name, _reader.GetString()!))
                throw Refused(MetadataName, $"has '{SafetensorsEntry.Shown(name)}' twice");
        }
    }

    private void ReadEntry(string name)
    {
        Expect(JsonTokenType.StartObject, name, "must be an object");
        string? type = null;
        long[]? shape = null, range = null;
        while (NextName() is { } field)
        {
            _reader.Read();
            if (field == "dtype" ? type is not null : field == "shape" ? shape is not null : field == "data_offsets" && range is not null)
                throw Refused(name, $"has '{field}' twice");
            switch (field)
            {
                case "dtype":
                    Expect(JsonTokenType.String, name, "must have text for 'dtype'");
                    type = _reader.GetString();
                    break;
                case "shape":
                    shape = ReadIntegers(name, field);
                    break;
                case "data_offsets":
                    range = ReadIntegers(name, field);
                    break;
                default:
                    _reader.Skip();
                    break;
            }
        }
        if (type is null || shape is null || range is null)
            throw Refused(name, $"has no '{(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}'");
        if (range.Length != 2 || range[0] > range[1] || range[1] > _data.Length)
            throw Refused(name, $"has the data_offsets [{string.Join(", ", range)}], which are no range of the {_data.Length} bytes of data");
        if (SafetensorsEntry.Problem(type, shape, range[1] - range[0]) is { } problem)
            throw Refused(name, problem);
        _entries.Add((new SafetensorsEntry(name, type, shape, _data[(int)range[0]..(int)range[1]]), range[0]));
    }

    private long[] ReadIntegers(string name, string field)
    {
        Expect(JsonTokenType.StartArray, name, $"must have a list for '{field}'");
        var values = new List<long>();
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            if (_reader.TokenType != JsonTokenType.Number || !_reader.TryGetInt64(out long value) || value < 0)
                throw Refused(name, $"has something other than a whole number from 0 to {long.MaxValue} in '{field}'");
            if (values.Count == MaxRank)
                throw Refused(name, $"has more than {MaxRank} numbers in '{field}'");
            values.Add(value);
        }
        return [.. values];
    }

    /// <summary>The entries by where their data lie: each must begin where the one before ends, the last end with the file.</summary>
    private readonly SafetensorsEntry[] InOrder()
    {
        long end = 0;
        var ordered = new List<SafetensorsEntry>(_entries.Count);
        foreach ((SafetensorsEntry entry, long begin) in _entries.OrderBy(item => item.Begin).ThenBy(item => item.Entry.Data.Length))
        {
            if (begin != end)
                throw Refused(entry.Name, $"begins at byte {begin} of the data, {(begin < end ? "inside another entry" : "after a hole")} that ends at {(begin < end ? end : begin)}");
            end += entry.Data.Length;
            ordered.Add(entry);
        }
        return end == _data.Length ? [.. ordered] : throw Refused($"has {_data.Length - end} bytes after its last entry");
    }

    /// <summary>The next name of the object that is being read; null at its end.</summary>
    private string? NextName() => _reader.Read() && _reader.TokenType == JsonTokenType.PropertyName ? _reader.GetString() : null;

    private readonly void Expect(JsonTokenType type, string name, string rule)
    {
        if (_reader.TokenType != type)
            throw Refused(name, rule);
    }

    private readonly DataException Refused(string problem) => new($"'{_origin}' {problem}; it is damaged or no safetensors file.");

    private readonly DataException Refused(string name, string problem) =>
        new($"'{_origin}': the entry '{SafetensorsEntry.Shown(name)}' {problem}; the file is damaged or no safetensors file.");
}
