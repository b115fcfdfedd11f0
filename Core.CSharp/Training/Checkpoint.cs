using System.Text.Json;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Inference;
using GapLab.Optimization;
using GapLab.Specification;

namespace GapLab.Training;

/// <summary>
/// All that a training run needs to go on as if it had not been interrupted: the parameters, the optimiser's moments, where the run is, what its
/// epochs reported, and the best parameters so far. Random streams are counters of epoch and step, so the position restores them.
/// </summary>
/// <param name="Position">Where the run is.</param>
/// <param name="Tensors">The entries "parameter/...", "first/...", "second/..." and, once there is a best epoch, "best/...".</param>
public sealed record Checkpoint(TrainingPosition Position, IReadOnlyList<SafetensorsEntry> Tensors)
{
    private const string PositionMember = "gaplab.position";

    private const string Parameter = "parameter/", First = "first/", Second = "second/", Best = "best/";

    /// <summary>Captures a run.</summary>
    internal static Checkpoint Capture(Vae vae, IReadOnlyList<int> trained, Optimizer optimizer, TrainingPosition position, IReadOnlyList<SafetensorsEntry> best) => new(
        position with { OptimizerSteps = optimizer.Steps },
        [
            .. TensorEntry.Of(Parameter, vae.ParameterNames, vae.Parameters),
            .. TensorEntry.Of(First, NamesOf(vae, trained), optimizer.FirstMoments),
            .. TensorEntry.Of(Second, NamesOf(vae, trained), optimizer.SecondMoments),
            .. best,
        ]);

    /// <summary>Checks that all tensors of a model are there.</summary>
    /// <param name="vae">The model.</param>
    /// <param name="trained">The positions of its trained parameters.</param>
    /// <param name="moments">How many moments its optimiser keeps.</param>
    /// <exception cref="DataException">A tensor is missing or of another shape: the checkpoint is another model's.</exception>
    internal void Require(Vae vae, IReadOnlyList<int> trained, int moments)
    {
        TensorEntry.Require(Tensors, Parameter, vae.ParameterNames, vae.Parameters);
        foreach (string prefix in new[] { First, Second }.Take(moments))
            TensorEntry.Require(Tensors, prefix, NamesOf(vae, trained), [.. trained.Select(i => vae.Parameters[i])]);
        if (Tensors.Any(entry => entry.Name.StartsWith(Best, StringComparison.Ordinal)))
            TensorEntry.Require(Tensors, Best, vae.ParameterNames, vae.Parameters);
    }

    /// <summary>Puts a run into the captured state.</summary>
    /// <returns>The entries of the best parameters.</returns>
    /// <exception cref="DataException">A tensor is missing or of another shape: the checkpoint is another model's.</exception>
    internal SafetensorsEntry[] Restore(Vae vae, IReadOnlyList<int> trained, Optimizer optimizer)
    {
        Require(vae, trained, optimizer.Moments);
        TensorEntry.Restore(Tensors, Parameter, vae.ParameterNames, vae.Parameters);
        TensorEntry.Restore(Tensors, First, NamesOf(vae, trained), optimizer.FirstMoments);
        TensorEntry.Restore(Tensors, Second, NamesOf(vae, trained), optimizer.SecondMoments);
        optimizer.Steps = Position.OptimizerSteps;
        return [.. Tensors.Where(entry => entry.Name.StartsWith(Best, StringComparison.Ordinal))];
    }

    /// <summary>The parameters as the best so far.</summary>
    internal static SafetensorsEntry[] CaptureBest(Vae vae) => [.. TensorEntry.Of(Best, vae.ParameterNames, vae.Parameters)];

    /// <summary>Puts the best parameters in the place of the present ones.</summary>
    internal static void RestoreBest(Vae vae, IReadOnlyList<SafetensorsEntry> best) => TensorEntry.Restore(best, Best, vae.ParameterNames, vae.Parameters);

    /// <summary>The metadata that goes into a file beside the tensors.</summary>
    public Dictionary<string, string> Metadata() =>
        new() { [PositionMember] = System.Text.Encoding.UTF8.GetString(CanonicalJson.ToBytes(CanonicalJson.From(Position))) };

    /// <summary>The checkpoint that a file holds.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="DataException">It holds no checkpoint.</exception>
    public static Checkpoint From(SafetensorsFile file)
    {
        try
        {
            if (file.Metadata.TryGetValue(PositionMember, out string? json))
                return new Checkpoint(CanonicalJson.To<TrainingPosition>(JsonNode.Parse(json)), file.Entries);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException or FormatException)
        {
            throw new DataException($"The checkpoint's position cannot be read ({e.Message.TrimEnd('.')}).", e);
        }
        throw new DataException($"The file holds no checkpoint: its metadata lack '{PositionMember}'.");
    }

    /// <summary>The names of the parameters that have moments.</summary>
    private static string[] NamesOf(Vae vae, IReadOnlyList<int> trained) => [.. trained.Select(i => vae.ParameterNames[i])];
}
