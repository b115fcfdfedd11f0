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
        try
        {
            using FileStream file = File.OpenRead(path);
            _hash = Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"The weights '{path}' cannot be read ({e.Message.TrimEnd('.')}); check the path.", e);
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    protected override void Describe(JsonObject json) => json["weights"] = new JsonObject { ["sha256"] = _hash };
}
