using System.Text.Json;
using System.Text.Unicode;
using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>A field of a JSON file that a user wrote: reads what it must hold, or says which field holds what instead, and what is allowed.</summary>
/// <param name="Origin">The file.</param>
/// <param name="Path">The field, such as "decoder.modules[2]"; empty for the whole document.</param>
/// <param name="Value">What it holds.</param>
internal readonly record struct JsonField(string Origin, string Path, JsonElement Value)
{
    private const int LargestFile = 1_000_000;

    private const int LongestText = 200;

    /// <summary>The document that a file holds, which must be an object.</summary>
    /// <exception cref="DataException">The file cannot be read, or holds no JSON object.</exception>
    public static JsonField Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > LargestFile)
                throw new DataException($"'{path}' has more than {LargestFile} bytes and is no description of a model; check that it is the right file.");
            return Parse(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DataException($"The description '{path}' cannot be read ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); check the path.", e);
        }
    }

    /// <summary>The document in some bytes, which must be an object; a byte order mark before it is allowed.</summary>
    /// <exception cref="DataException">There is no JSON object.</exception>
    public static JsonField Parse(ReadOnlyMemory<byte> bytes, string origin)
    {
        if (bytes.Span is [0xEF, 0xBB, 0xBF, ..])
            bytes = bytes[3..];
        if (!Utf8.IsValid(bytes.Span))
            throw new DataException($"'{origin}' is no UTF-8 text; save it as JSON in UTF-8.");
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
            var field = new JsonField(origin, "", document.RootElement.Clone());
            return field.Value.ValueKind == JsonValueKind.Object ? field : throw new DataException($"'{origin}' holds no JSON object; begin it with '{{'.");
        }
        // The second for text that no string can hold, such as half of a surrogate pair.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DataException($"'{origin}' holds no valid JSON ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); correct it there.", e);
        }
    }

    /// <summary>Refuses fields of an object that nobody knows.</summary>
    /// <exception cref="DataException">There is one, or this is no object.</exception>
    public void AllowOnly(params ReadOnlySpan<string> names)
    {
        if (Value.ValueKind != JsonValueKind.Object)
            throw Wrong($"an object with the fields {string.Join(", ", names)}");
        foreach (JsonProperty property in Value.EnumerateObject())
            if (!names.Contains(NameOf(property)))
                throw new DataException($"'{Origin}': there is no field '{Shown(Below(NameOf(property)))}'; {(Path.Length == 0 ? "the" : $"'{Path}' has the")} fields {string.Join(", ", names)}.");
    }

    /// <summary>A field of this object; null where it is missing.</summary>
    public JsonField? Find(string name) => Value.TryGetProperty(name, out JsonElement value) ? new JsonField(Origin, Below(name), value) : null;

    /// <summary>A field of this object.</summary>
    /// <exception cref="DataException">It is missing.</exception>
    public JsonField Require(string name, string allowed) =>
        Find(name) ?? throw new DataException($"'{Origin}': the field '{Below(name)}' is missing; it must be {allowed}.");

    /// <summary>A whole number from 1 on.</summary>
    /// <exception cref="DataException">This is none.</exception>
    public int Size(string allowed) =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int size) && size > 0 ? size : throw Wrong(allowed);

    /// <summary>A finite number; null for anything else.</summary>
    public double? Number() => Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out double number) && double.IsFinite(number) ? number : null;

    /// <summary>A text.</summary>
    /// <exception cref="DataException">This is none.</exception>
    public string Text(string allowed) => Value.ValueKind == JsonValueKind.String ? TextOf(Value) : throw Wrong(allowed);

    /// <summary>The items of a list.</summary>
    /// <exception cref="DataException">This is none.</exception>
    public IReadOnlyList<JsonField> Items(string allowed)
    {
        if (Value.ValueKind != JsonValueKind.Array)
            throw Wrong(allowed);
        JsonField list = this;
        return [.. Value.EnumerateArray().Select((item, i) => new JsonField(list.Origin, $"{list.Path}[{i}]", item))];
    }

    /// <summary>What is wrong with this field.</summary>
    public DataException Wrong(string allowed) => new($"'{Origin}': the field '{Path}' is {Shown(Value.GetRawText())}, but must be {allowed}.");

    private string Below(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new DataException($"'{Origin}' has a field whose name is no valid text; correct it.", e);
        }
    }

    private string TextOf(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new DataException($"'{Origin}': the field '{Path}' is no valid text; correct it.", e);
        }
    }

    /// <summary>On one line, and not longer than a reader can take in.</summary>
    private static string Shown(string text)
    {
        string line = string.Concat(text.Take(LongestText).Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c));
        return text.Length > LongestText ? line + "..." : line;
    }
}
