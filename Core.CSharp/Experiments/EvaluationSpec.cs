using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Specification;

namespace GapLab.Experiments;

/// <summary>What is measured of which model on which datapoints, by description. Its key, the SHA-256 of the canonical JSON, names the stored cell.</summary>
public sealed record EvaluationSpec
{
    /// <summary>The model.</summary>
    public required ArtifactSpec Artifact { get; init; }

    /// <summary>What is measured.</summary>
    public required Measure Measure { get; init; }

    /// <summary>On which part of the data.</summary>
    public DataSplit Split { get; init; } = DataSplit.Test;

    /// <summary>On how many datapoints: a random subset, the same for every experiment on these data, and contained in every larger one.</summary>
    public required int Points { get; init; }

    /// <summary>The seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The name under which the cell is stored.</summary>
    public string Key => CanonicalJson.Hash(ToJson());

    /// <summary>The key that it would have whatever the revisions of its components.</summary>
    public string Identity => CanonicalJson.Hash(CanonicalJson.WithoutRevisions(ToJson()));

    /// <summary>The complete description.</summary>
    public JsonObject ToJson() => new()
    {
        ["artifact"] = Artifact.ToJson(),
        ["measure"] = Measure.Identity.ToJson(),
        ["split"] = CanonicalJson.From(Split),
        ["points"] = Points,
        ["seed"] = Seed,
    };
}
