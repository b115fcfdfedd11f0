using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Specification;

namespace GapLab.Experiments;

/// <summary>A JSON file of a store: its content and the SHA-256 of the content's canonical bytes, so that a damaged file is recognised.</summary>
internal static class StoredDocument
{
    private const int LargestBytes = 256 << 20;
    private const string ContentMember = "content", HashMember = "sha256";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Writes a document in one step: readers see the old file or the new one.</summary>
    /// <exception cref="DataException">The folder cannot be written to, or is full.</exception>
    public static void Write(string path, JsonObject content)
    {
        byte[] body = CanonicalJson.ToBytes(content);
        string hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(body));
        byte[] bytes = [.. Encoding.UTF8.GetBytes($"{{\"{ContentMember}\":"), .. body, .. Encoding.UTF8.GetBytes($",\"{HashMember}\":\"{hash}\"}}\n")];
        string unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            try
            {
                using (var file = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write))
                {
                    file.Write(bytes);
                    file.Flush(flushToDisk: true);
                }
                File.Move(unfinished, path, overwrite: true);
            }
            finally
            {
                File.Delete(unfinished);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"'{path}' cannot be written ({e.Message.TrimEnd('.')}); check the folder, its permissions and the free space.", e);
        }
    }

    /// <summary>Reads a document.</summary>
    /// <exception cref="DataException">It is damaged: no JSON, or not what was written.</exception>
    public static JsonObject Read(string path)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(path).Length > LargestBytes)
                throw new DataException($"'{path}' is damaged: it has more than {LargestBytes} bytes.");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"'{path}' cannot be read ({e.Message.TrimEnd('.')}); check its permissions.", e);
        }
        return Parse(bytes, path);
    }

    /// <summary>The content of a document in memory.</summary>
    /// <exception cref="DataException">It is damaged: no JSON, or not what was written.</exception>
    public static JsonObject Parse(ReadOnlySpan<byte> bytes, string origin)
    {
        try
        {
            if (JsonNode.Parse(bytes, documentOptions: Strict) is JsonObject envelope && envelope[ContentMember] is JsonObject content
                && envelope[HashMember] is JsonValue hash && hash.TryGetValue(out string? expected))
            {
                return CanonicalJson.Hash(content) == expected
                    ? content
                    : throw new DataException($"'{origin}' is damaged: its content does not have the checksum that was written with it.");
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new DataException($"'{origin}' is damaged: it is no valid JSON.", e);
        }
        throw new DataException($"'{origin}' is damaged: it is not a document of a result store.");
    }
}
