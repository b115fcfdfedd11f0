using System.Globalization;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Inference;
using GapLab.Optimization;
using GapLab.Specification;
using GapLab.Training;

namespace GapLab.Experiments;

public sealed partial class ResultStore
{
    private const string WeightsFile = "weights.safetensors", CheckpointFile = "checkpoint.safetensors", ArtifactFile = "artifact.json", EndFile = "end.safetensors";
    private const string SecondsMember = "gaplab.seconds";

    /// <summary>The stored model of a description, or null.</summary>
    /// <param name="spec">The description.</param>
    public Artifact? FindArtifact(ArtifactSpec spec)
    {
        string folder = FolderOf(spec);
        return File.Exists(Path.Combine(folder, ArtifactFile)) ? ReadArtifact(folder) : null;
    }

    /// <summary>All stored models.</summary>
    public IEnumerable<Artifact> Artifacts()
    {
        string all = Path.Combine(Folder, "artifacts");
        if (!Directory.Exists(all))
            yield break;
        foreach (string folder in Directory.EnumerateDirectories(all).Order().SelectMany(identity => Directory.EnumerateDirectories(identity).Order()))
            if (File.Exists(Path.Combine(folder, ArtifactFile)) && ReadArtifact(folder) is { } artifact)
                yield return artifact;
    }

    /// <summary>The file with a stored model's parameters, in the safetensors format: one entry for each parameter, under its name.</summary>
    /// <param name="spec">The model's description.</param>
    public string WeightsPath(ArtifactSpec spec) => Path.Combine(FolderOf(spec), WeightsFile);

    /// <summary>Puts the parameters of a stored model into one that was built from its description.</summary>
    /// <returns>False where they turned out damaged; they are then set aside.</returns>
    internal bool TryLoadWeights(ArtifactSpec spec, Vae vae)
    {
        string folder = FolderOf(spec);
        return ReadIntact(spec.Key, Path.Combine(folder, ArtifactFile), [folder], () =>
        {
            SafetensorsFile file = StoredTensors.Read(WeightsPath(spec));
            TensorEntry.Restore(file.Entries, "", vae.ParameterNames, vae.Parameters);
            return file;
        }) is not null;
    }

    /// <summary>Stores a model and removes its checkpoint.</summary>
    internal void Write(ArtifactSpec spec, Vae vae, TrainingOutcome outcome, Provenance provenance)
    {
        string folder = Prepare("artifacts", spec.Identity, spec.Key);
        StoredTensors.Write(Path.Combine(folder, WeightsFile), [.. TensorEntry.Of("", vae.ParameterNames, vae.Parameters)]);
        StoredDocument.Write(Path.Combine(folder, ArtifactFile), new JsonObject
        {
            ["key"] = spec.Key,
            ["spec"] = spec.ToJson(),
            ["outcome"] = CanonicalJson.From(outcome),
            ["description"] = $"{vae.Model.Name}, {vae.Family.Name}, encoder {vae.Inference.Name}",
            ["provenance"] = CanonicalJson.From(provenance),
        });
        DeleteLeftovers(spec);
    }

    /// <summary>Where the checkpoints of a training are stored.</summary>
    internal string CheckpointPath(ArtifactSpec spec) => Path.Combine(FolderOf(spec), CheckpointFile);

    /// <summary>The checkpoint of an unfinished training and the seconds it had taken, or null. One that does not fit the model is set aside like a damaged one.</summary>
    internal (Checkpoint Checkpoint, double Seconds)? FindCheckpoint(TrainSpec spec, Vae vae, TrainerOptions settings)
    {
        string path = CheckpointPath(spec);
        if (!File.Exists(path))
            return null;
        try
        {
            return ReadCheckpoint(path, vae, settings);
        }
        catch (DataException e)
        {
            SetAside(path, e);
            return null;
        }
    }

    /// <summary>
    /// The state at the end of a stored training and the seconds it had taken, for a longer run to go on from; null where it was not kept, or turned out damaged and was set aside.
    /// </summary>
    internal (Checkpoint Checkpoint, double Seconds)? FindEnd(TrainSpec spec, Vae vae, TrainerOptions settings)
    {
        string path = Path.Combine(FolderOf(spec), EndFile);
        if (!File.Exists(path))
            return null;
        return ReadIntact(spec.Key, path, [path], () => Tuple.Create(ReadCheckpoint(path, vae, settings))) is { Item1: var end } ? end : null;
    }

    /// <summary>Stores a checkpoint in the place of the last one.</summary>
    /// <exception cref="DataException">The folder cannot be written to, or is full; the last checkpoint is still there.</exception>
    internal void Write(ArtifactSpec spec, Checkpoint checkpoint, double seconds) => Write(spec, CheckpointFile, checkpoint, seconds);

    /// <summary>Stores the state at the end of a training.</summary>
    /// <exception cref="DataException">The folder cannot be written to, or is full.</exception>
    internal void WriteEnd(TrainSpec spec, Checkpoint checkpoint, double seconds) => Write(spec, EndFile, checkpoint, seconds);

    /// <summary>Removes what a killed process has not finished writing of a model; only for who has its lock.</summary>
    internal void DeleteUnfinished(ArtifactSpec spec) => DeleteUnfinished(FolderOf(spec), "*.tmp");

    /// <summary>Removes what a stored model no longer needs; only for who has its lock.</summary>
    internal void DeleteLeftovers(ArtifactSpec spec)
    {
        DeleteUnfinished(spec);
        File.Delete(CheckpointPath(spec));
    }

    private void Write(ArtifactSpec spec, string file, Checkpoint checkpoint, double seconds)
    {
        Dictionary<string, string> metadata = checkpoint.Metadata();
        metadata[SecondsMember] = seconds.ToString("R", CultureInfo.InvariantCulture);
        StoredTensors.Write(Path.Combine(Prepare("artifacts", spec.Identity, spec.Key), file), checkpoint.Tensors, metadata);
    }

    private static (Checkpoint Checkpoint, double Seconds) ReadCheckpoint(string path, Vae vae, TrainerOptions settings)
    {
        SafetensorsFile file = StoredTensors.Read(path);
        _ = double.TryParse(file.Metadata.GetValueOrDefault(SecondsMember), CultureInfo.InvariantCulture, out double seconds);
        var checkpoint = Checkpoint.From(file);
        checkpoint.Require(vae, settings.Rule.Trained(vae), moments: settings.Sgd is { } sgd ? Sgd.MomentsFor(sgd.Momentum) : 2);
        return (checkpoint, seconds);
    }

    private string FolderOf(ArtifactSpec spec) => Path.Combine(Folder, "artifacts", spec.Identity, spec.Key);

    private Artifact? ReadArtifact(string folder)
    {
        string path = Path.Combine(folder, ArtifactFile);
        return ReadIntact(Path.GetFileName(folder), path, [folder], () =>
        {
            JsonObject document = StoredDocument.Read(path);
            return new Artifact(
                Part<string>(document, "key", path), Member(document, "spec", path), Part<TrainingOutcome>(document, "outcome", path),
                Part<string>(document, "description", path), Part<Provenance>(document, "provenance", path));
        });
    }
}
