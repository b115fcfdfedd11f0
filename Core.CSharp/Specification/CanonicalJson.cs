using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace GapLab.Specification;

/// <summary>
/// JSON with one spelling: object members in ordinal order, no white space, numbers as .NET's shortest that reads back. What is described by equal
/// documents then has equal bytes, and so an equal hash.
/// </summary>
public static class CanonicalJson
{
    /// <summary>The member that <see cref="WithoutRevisions"/> drops.</summary>
    public const string RevisionMember = "revision";

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // A setting that is not given leaves no trace, so that a new optional one does not change the keys of what is stored.
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        // What is read back is whole, or refused: no member becomes zero or null because it is not there.
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>Settings as a JSON value: a record, an anonymous record, a dictionary, a number or a text.</summary>
    /// <param name="settings">The settings; null gives null.</param>
    public static JsonNode? From(object? settings) => settings is JsonNode node ? node.DeepClone() : JsonSerializer.SerializeToNode(settings, Options);

    /// <summary>A value read back from JSON that <see cref="From"/> made.</summary>
    /// <typeparam name="T">Its type.</typeparam>
    /// <param name="node">The JSON.</param>
    /// <exception cref="JsonException">It has another form.</exception>
    public static T To<T>(JsonNode? node) => node.Deserialize<T>(Options) ?? throw new JsonException("The value is null.");

    /// <summary>The canonical bytes, UTF-8.</summary>
    /// <param name="node">The document.</param>
    public static byte[] ToBytes(JsonNode? node)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            Write(writer, node);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The SHA-256 of the canonical bytes, 64 lower-case hexadecimal digits.</summary>
    /// <param name="node">The document.</param>
    public static string Hash(JsonNode? node) => Convert.ToHexStringLower(SHA256.HashData(ToBytes(node)));

    /// <summary>A copy without the revisions of components, at any depth: what was asked for, whichever version of the code answered.</summary>
    /// <param name="node">The document.</param>
    public static JsonNode? WithoutRevisions(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members
            .Where(member => member.Key != RevisionMember || !IsComponent(members))
            .Select(member => KeyValuePair.Create(member.Key, WithoutRevisions(member.Value)))),
        JsonArray items => new JsonArray([.. items.Select(WithoutRevisions)]),
        _ => node?.DeepClone(),
    };

    /// <summary>Whether a component made it: a setting of one may have the same name as its revision.</summary>
    private static bool IsComponent(JsonObject members) =>
        members.ContainsKey("name") && members.All(member => member.Key is "name" or RevisionMember or "settings" or "source");

    private static void Write(Utf8JsonWriter writer, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                writer.WriteStartObject();
                foreach ((string name, JsonNode? value) in members.OrderBy(member => member.Key, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(name);
                    Write(writer, value);
                }
                writer.WriteEndObject();
                break;
            case JsonArray items:
                writer.WriteStartArray();
                foreach (JsonNode? item in items)
                    Write(writer, item);
                writer.WriteEndArray();
                break;
            case null:
                writer.WriteNullValue();
                break;
            // What was read from a text keeps its spelling, such as 1.0 or 1e0, unless it is given another.
            case JsonValue when node.GetValueKind() == JsonValueKind.Number && node.ToJsonString().AsSpan().ContainsAny(".eE")
                && double.TryParse(node.ToJsonString(), CultureInfo.InvariantCulture, out double number) && double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            default:
                node.WriteTo(writer);
                break;
        }
    }
}
