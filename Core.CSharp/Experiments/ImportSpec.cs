using System.Security.Cryptography;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Inference;
using GapLab.Training;

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
        _hash = HashOf(SafetensorsFile.ReadBytes(path));
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Beginnings of the names of entries that the model does not have and need not; any other such entry is refused. No part of the key, as no number depends on it.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>The file's content.</summary>
    /// <exception cref="DataException">The file cannot be read, is no safetensors file, or has changed since it was named.</exception>
    public SafetensorsFile Read()
    {
        byte[] bytes = SafetensorsFile.ReadBytes(Path);
        return HashOf(bytes) == _hash
            ? SafetensorsFile.Parse(bytes, Path)
            : throw new DataException($"The weights '{Path}' have changed since this experiment was described; start again, so that results are kept under the weights that they belong to.");
    }

    /// <summary>Puts the file's numbers, as float32, into a model that was built from this description.</summary>
    /// <param name="vae">The model.</param>
    /// <exception cref="DataException">The file cannot be read, has changed, or does not hold exactly the model's parameters: names the first entry that does not fit.</exception>
    public void Restore(Vae vae)
    {
        SafetensorsFile file = Read();
        ImportedWeights.Check(file, Path, vae.ParameterNames.Zip(vae.Parameters, (name, value) => (name, TensorEntry.Sizes(value))), Ignored);
        TensorEntry.Restore(file.Entries, "", vae.ParameterNames, vae.Parameters);
    }

    /// <inheritdoc/>
    private protected override void Describe(JsonObject json) => json["weights"] = new JsonObject { ["sha256"] = _hash };

    private static string HashOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
