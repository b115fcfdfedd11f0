using System.Text.Json.Nodes;
using GapLab.Training;

namespace GapLab.Experiments;

/// <summary>A stored model: what it is, how its training went, and where it comes from. The parameters lie beside it.</summary>
/// <param name="Key">Its name in the store.</param>
/// <param name="Spec">The complete description.</param>
/// <param name="Outcome">How training went; an empty curve for models from files.</param>
/// <param name="Description">Model, family and inference in words.</param>
/// <param name="Provenance">Where it comes from.</param>
public sealed record Artifact(string Key, JsonObject Spec, TrainingOutcome Outcome, string Description, Provenance Provenance);
