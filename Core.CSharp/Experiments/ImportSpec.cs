using System.Security.Cryptography;
using System.Text.Json.Nodes;
using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>A model whose parameters come from a safetensors file, by description; the file enters by the hash of its bytes, not by its name.</summary>
public sealed record ImportSpec : ArtifactSpec
{
    private readonly string _hash;

    /// <summary>A model from a file.</summary>
    /// <param name="path">The file: an entry for each parameter, under its name.</param>
    /// <exception cref="DataException">The file cannot be read.</exception>
    public ImportSpec(string path)
    {
        Path = path;
        _hash = Convert.ToHexStringLower(SHA256.HashData(ReadBytes()));
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The parameters.</summary>
    /// <exception cref="DataException">The file cannot be read, is no safetensors file, or has changed since it was named.</exception>
    public SafetensorsFile Read()
    {
        byte[] bytes = ReadBytes();
        return Convert.ToHexStringLower(SHA256.HashData(bytes)) == _hash
            ? SafetensorsFile.Parse(bytes, Path)
            : throw new DataException($"The weights '{Path}' have changed since this experiment was described; start again, so that results are kept under the weights that they belong to.");
    }

    /// <inheritdoc/>
    private protected override void Describe(JsonObject json) => json["weights"] = new JsonObject { ["sha256"] = _hash };

    private byte[] ReadBytes()
    {
        try
        {
            return File.ReadAllBytes(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"The weights '{Path}' cannot be read ({e.Message.TrimEnd('.')}); check the path.", e);
        }
    }
}
