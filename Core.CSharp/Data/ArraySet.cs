namespace GapLab.Data;

/// <summary>
/// An immutable list of equally sized images or vectors of real numbers, datapoint-major and row-major. Numbers from 0 to 1 may serve as
/// intensities, which <see cref="Binarization"/> turns into zeros and ones; any others can only be used as they are.
/// </summary>
public sealed class ArraySet : DataPart
{
    private readonly ReadOnlyMemory<float> _values;

    /// <summary>Wraps numbers without copying them; the caller must not change the memory afterwards.</summary>
    /// <param name="name">What the datapoints are, used in messages.</param>
    /// <param name="height">Rows per image; 1 for vectors. Range: height ≥ 1.</param>
    /// <param name="width">Columns per image; the length of vectors. Range: width ≥ 1.</param>
    /// <param name="values">[count, height, width], finite.</param>
    /// <param name="firstId">The id of the first datapoint; the others count on from it. Range: firstId ≥ 0.</param>
    /// <exception cref="DataException">The sizes are not positive, the numbers fill no whole number of datapoints, or one of them is not finite.</exception>
    public ArraySet(string name, int height, int width, ReadOnlyMemory<float> values, int firstId = 0)
        : this(name, height, width, values, firstId, null)
    {
    }

    private ArraySet(string name, int height, int width, ReadOnlyMemory<float> values, int firstId, int[]? ids)
        : base(name, height, width, 1, values.Length, firstId, ids)
    {
        bool isBinary = true;
        bool hasIntensities = true;
        ReadOnlySpan<float> span = values.Span;
        for (int i = 0; i < span.Length; i++)
        {
            float value = span[i];
            if (!float.IsFinite(value))
                throw new DataException($"'{name}' holds {value} (datapoint {i / PixelCount}, position {i % PixelCount}, from 0), and only finite numbers can be used; replace it.");
            isBinary &= value is 0f or 1f;
            hasIntensities &= value is >= 0f and <= 1f;
        }

        IsBinary = isBinary;
        HasIntensities = hasIntensities;
        _values = values;
    }

    /// <summary>Whether every number is 0 or 1.</summary>
    public override bool IsBinary { get; }

    /// <summary>Whether every number lies in 0..1.</summary>
    public override bool HasIntensities { get; }

    /// <summary>The numbers of one datapoint, [Height, Width].</summary>
    /// <exception cref="DataException">There is no datapoint of that number.</exception>
    public ReadOnlySpan<float> Values(int index)
    {
        Check(index);
        return _values.Span.Slice(index * PixelCount, PixelCount);
    }

    /// <summary>The datapoints of the given numbers, in the given order, repeats allowed; copies their numbers.</summary>
    /// <exception cref="DataException">A number is outside the set, or the result would not fit an array.</exception>
    public ArraySet Select(ReadOnlySpan<int> indices) => Select(indices, Name);

    /// <summary>The same numbers as another part, numbered afresh; shares them.</summary>
    /// <param name="name">The new part's name.</param>
    /// <param name="firstId">The id of its first datapoint.</param>
    internal ArraySet Renumbered(string name, int firstId) => new(name, Height, Width, _values, firstId);

    internal override DataPart Choose(ReadOnlySpan<int> indices, string? name = null) => Select(indices, name ?? Name);

    private ArraySet Select(ReadOnlySpan<int> indices, string name)
    {
        float[] values = Allocate<float>(Name, (long)indices.Length * PixelCount);
        for (int i = 0; i < indices.Length; i++)
            Values(indices[i]).CopyTo(values.AsSpan(i * PixelCount));
        return new ArraySet(name, Height, Width, values, 0, IdsOf(indices));
    }
}
