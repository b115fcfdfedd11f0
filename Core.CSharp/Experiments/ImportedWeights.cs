using GapLab.Data;

namespace GapLab.Experiments;

/// <summary>Whether the entries of a safetensors file are the parameters of a model.</summary>
internal static class ImportedWeights
{
    private static readonly string[] Types = ["F16", "BF16", "F32", "F64"];

    /// <summary>
    /// Refuses a file that lacks a parameter, has one of another shape or type or with numbers that are infinite or none, or has entries of which the model knows nothing: a prior or a
    /// variance that were trained and then left out would make all bounds those of another model.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="origin">What messages call it.</param>
    /// <param name="parameters">The names and shapes of the model's parameters.</param>
    /// <param name="ignored">Beginnings of the names of entries that may be left over.</param>
    /// <exception cref="DataException">The first thing that does not fit.</exception>
    public static void Check(SafetensorsFile file, string origin, IEnumerable<(string Name, long[] Shape)> parameters, IReadOnlyList<string> ignored)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string name, long[] shape) in parameters)
        {
            known.Add(name);
            if (!file.TryGet(name, out SafetensorsEntry? entry))
                throw new DataException($"'{origin}' has no tensor '{name}', for which the model needs the shape {Text(shape)}; {file.Nearest(name)}.");
            if (!entry.Shape.SequenceEqual(shape))
                throw new DataException($"'{origin}': the tensor '{name}' has the shape {Text(entry.Shape)}, but the model needs {Text(shape)}; correct the model's description, or name the file that belongs to it.");
            if (!Types.Contains(entry.Type))
                throw new DataException($"'{origin}': the tensor '{name}' is of the type {entry.Type}, but parameters must be {string.Join(", ", Types)}; save it as one of these.");
            double[] values = entry.ToDoubles();
            int bad = Array.FindIndex(values, value => !float.IsFinite((float)value));
            if (bad >= 0)
                throw new DataException($"'{origin}': the tensor '{name}' holds {values[bad]:R} (element {bad}, from 0), which is no finite float32 number; no bound can be computed from it.");
        }
        foreach (SafetensorsEntry entry in file.Entries)
            if (!known.Contains(entry.Name) && !ignored.Any(beginning => entry.Name.StartsWith(beginning, StringComparison.Ordinal)))
                throw new DataException(
                    $"'{origin}' has a tensor '{SafetensorsEntry.Shown(entry.Name)}' {Text(entry.Shape)} that the model does not have; describe it, or list the beginning of its name under 'ignore' if p(x, z) and q(z | x) do not depend on it.");
    }

    private static string Text(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}
