using System.Collections;
using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// The named tensors that are learnt, in a fixed order. Layers add theirs when they are built and find them again by position, so
/// the same layers can compute with another set of values (<see cref="With"/>): perturbed, per datapoint, or loaded from a file.
/// </summary>
public sealed class ParameterSet : IReadOnlyList<Tensor>
{
    private readonly List<string> _names;
    private readonly List<Tensor> _values;
    private readonly List<int> _averages;

    /// <summary>An empty set on a device.</summary>
    /// <param name="device">Where the parameters will live.</param>
    public ParameterSet(Device device) : this(device, [], [], []) { }

    private ParameterSet(Device device, List<string> names, List<Tensor> values, List<int> averages)
    {
        Device = device;
        _names = names;
        _values = values;
        _averages = averages;
    }

    /// <summary>Where the parameters live.</summary>
    public Device Device { get; }

    /// <summary>The parameters' names, in order, for example "decoder.0.weight".</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The number of tensors.</summary>
    public int Count => _values.Count;

    /// <summary>A parameter by position.</summary>
    /// <param name="index">The position that <see cref="Add"/> returned.</param>
    public Tensor this[int index] => _values[index];

    /// <summary>How many numbers the set holds in all.</summary>
    public long NumberCount => _values.Sum(value => (long)value.Count);

    /// <summary>Adds a parameter with its initial value, which from then on belongs to the set.</summary>
    /// <param name="name">A name not yet taken.</param>
    /// <param name="value">The initial value; copied out of any memory scope.</param>
    /// <returns>Its position.</returns>
    /// <exception cref="GapLabException">The name is taken.</exception>
    public int Add(string name, Tensor value)
    {
        if (_names.Contains(name))
            throw new GapLabException($"A parameter named '{name}' exists already; give layers different names.");
        _names.Add(name);
        _values.Add(value.ToOwned());
        return _values.Count - 1;
    }

    /// <summary>Adds a running average, which is no parameter but is stored with them: training moves it in place, and it has no gradient.</summary>
    /// <param name="name">A name not yet taken.</param>
    /// <param name="value">The initial value; copied out of any memory scope.</param>
    /// <returns>Its position.</returns>
    /// <exception cref="GapLabException">The name is taken.</exception>
    public int AddAverage(string name, Tensor value)
    {
        int index = Add(name, value);
        _averages.Add(index);
        return index;
    }

    /// <summary>The same set for computations that must not move its running averages: they move copies of them, in the current memory scope.</summary>
    public ParameterSet WithScratchAverages()
    {
        if (_averages.Count == 0)
            return this;
        List<Tensor> values = [.. _values];
        foreach (int index in _averages)
            values[index] = MemoryScope.Current?.Copy(_values[index]) ?? _values[index].ToOwned();
        return new ParameterSet(Device, _names, values, _averages);
    }

    /// <summary>A set of the same names with other values.</summary>
    /// <param name="values">One tensor for each parameter, of its shape.</param>
    /// <exception cref="ShapeException">Another number of tensors, or another shape.</exception>
    public ParameterSet With(ReadOnlySpan<Tensor> values)
    {
        if (values.Length != Count)
            throw new ShapeException($"ParameterSet.With: {values.Length} tensors were given for {Count} parameters.");
        for (int i = 0; i < values.Length; i++)
            if (values[i].Shape != _values[i].Shape)
                throw new ShapeException($"ParameterSet.With: '{_names[i]}' has shape {_values[i].Shape}, but was given {values[i].Shape}.");
        return new ParameterSet(Device, [.. _names], [.. values], [.. _averages]);
    }

    /// <summary>
    /// Lays copies of the weight matrices out for products, before much work that does not change them: estimating bounds, optimising single
    /// datapoints. A copy serves until its parameter changes.
    /// </summary>
    public void Pack()
    {
        foreach (Tensor value in _values)
            value.Pack();
    }

    /// <inheritdoc/>
    public IEnumerator<Tensor> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
