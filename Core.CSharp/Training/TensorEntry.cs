using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Training;

/// <summary>Tensors as entries of a safetensors file, without loss.</summary>
public static class TensorEntry
{
    /// <summary>Copies of tensors' numbers in their own precision.</summary>
    /// <param name="prefix">What goes before their names.</param>
    /// <param name="names">Their names.</param>
    /// <param name="tensors">The tensors.</param>
    public static IEnumerable<SafetensorsEntry> Of(string prefix, IReadOnlyList<string> names, IReadOnlyList<Tensor> tensors) =>
        tensors.Select((tensor, i) =>
        {
            double[] values = tensor.ToArray();
            return tensor.Type == ElementType.Float64
                ? SafetensorsEntry.FromDoubles(prefix + names[i], Sizes(tensor), values)
                : SafetensorsEntry.FromFloats(prefix + names[i], Sizes(tensor), Array.ConvertAll(values, value => (float)value));
        });

    /// <summary>Replaces the numbers of parameters or moments by those of entries. Where this fails, nothing is replaced.</summary>
    /// <param name="entries">Entries, among them one for each tensor.</param>
    /// <param name="prefix">What goes before the names.</param>
    /// <param name="names">The tensors' names.</param>
    /// <param name="tensors">Tensors that were not computed from others.</param>
    /// <exception cref="DataException">An entry is missing or has another shape.</exception>
    public static void Restore(IReadOnlyList<SafetensorsEntry> entries, string prefix, IReadOnlyList<string> names, IReadOnlyList<Tensor> tensors)
    {
        double[][] values = [.. Require(entries, prefix, names, tensors).Select(entry => entry.ToDoubles())];
        for (int i = 0; i < tensors.Count; i++)
        {
            using var scope = MemoryScope.Enter(record: false);
            tensors[i].Assign(Tensor.Create(tensors[i].Device, tensors[i].Shape, values[i]));
        }
    }

    /// <summary>The entries of tensors, in their order.</summary>
    /// <exception cref="DataException">An entry is missing or has another shape.</exception>
    internal static SafetensorsEntry[] Require(IReadOnlyList<SafetensorsEntry> entries, string prefix, IReadOnlyList<string> names, IReadOnlyList<Tensor> tensors)
    {
        Dictionary<string, SafetensorsEntry> byName = entries.ToDictionary(entry => entry.Name);
        var found = new SafetensorsEntry[tensors.Count];
        for (int i = 0; i < found.Length; i++)
        {
            string name = prefix + names[i];
            found[i] = byName.GetValueOrDefault(name) ?? throw new DataException($"The tensor '{name}' is missing; the file belongs to another model.");
            if (!found[i].Shape.SequenceEqual(Sizes(tensors[i])))
                throw new DataException($"The tensor '{name}' has the shape [{string.Join(", ", found[i].Shape)}], but the model needs {tensors[i].Shape}; the file belongs to another model.");
        }
        return found;
    }

    /// <summary>A tensor's shape as entries have it.</summary>
    internal static long[] Sizes(Tensor tensor) => [.. tensor.Shape.Span.ToArray().Select(size => (long)size)];
}
