using System.Security.Cryptography;
using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>A safetensors file of a store, with the SHA-256 of all the rest of it in its metadata, so that a damaged file is recognised.</summary>
internal static class StoredTensors
{
    private const string HashMember = "gaplab.sha256";

    /// <summary>Writes a file in one step.</summary>
    /// <exception cref="DataException">The folder cannot be written to, or is full.</exception>
    public static void Write(string path, IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        Dictionary<string, string> all = metadata is null ? [] : new(metadata);
        all[HashMember] = HashOf(entries, all);
        SafetensorsFile.Write(path, entries, all);
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="DataException">It is damaged.</exception>
    public static SafetensorsFile Read(string path) => Checked(SafetensorsFile.Read(path), path);

    /// <summary>Reads a file that is in memory.</summary>
    /// <exception cref="DataException">It is damaged.</exception>
    public static SafetensorsFile Parse(ReadOnlyMemory<byte> bytes, string origin) => Checked(SafetensorsFile.Parse(bytes, origin), origin);

    private static SafetensorsFile Checked(SafetensorsFile file, string origin)
    {
        var rest = new Dictionary<string, string>(file.Metadata);
        return rest.Remove(HashMember, out string? hash) && hash == HashOf(file.Entries, rest)
            ? file
            : throw new DataException($"'{origin}' is damaged: its content does not have the checksum that was written with it.");
    }

    private static string HashOf(IReadOnlyList<SafetensorsEntry> entries, IReadOnlyDictionary<string, string> metadata) =>
        Convert.ToHexStringLower(SHA256.HashData(SafetensorsFile.ToBytes(entries, metadata)));
}
