using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace GapLab.Tensors;

/// <summary>The sizes of a row-major tensor, outermost axis first. At most six axes; a scalar has none.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The largest number of axes.</summary>
    public const int MaxRank = 6;

    [InlineArray(MaxRank)]
    private struct Sizes
    {
        private int _first;
    }

    private readonly Sizes _sizes;

    /// <summary>A shape with the given sizes.</summary>
    /// <param name="sizes">Sizes from the outermost axis to the innermost; each at least 0.</param>
    /// <exception cref="ShapeException">More than six axes, a negative size, or more than 2^31 - 1 elements.</exception>
    public Shape(params ReadOnlySpan<int> sizes)
    {
        if (sizes.Length > MaxRank)
            throw new ShapeException($"A shape has at most {MaxRank} axes, but {sizes.Length} were given.");
        long count = 1;
        for (int i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] < 0)
                throw new ShapeException($"A shape cannot have the negative size {sizes[i]} (axis {i}).");
            _sizes[i] = sizes[i];
            count *= sizes[i];
            if (count > int.MaxValue)
                throw new ShapeException($"A tensor holds at most {int.MaxValue} elements; split the work into smaller pieces.");
        }
        Rank = sizes.Length;
        Count = (int)count;
    }

    /// <summary>A shape with the given sizes, for languages without parameter spans.</summary>
    /// <param name="sizes">Sizes from the outermost axis to the innermost.</param>
    public Shape(params int[] sizes) : this((ReadOnlySpan<int>)sizes) { }

    /// <summary>The shape of a single number: no axes, one element.</summary>
    public static Shape Scalar => new([]);

    /// <summary>The number of axes.</summary>
    public int Rank { get; }

    /// <summary>The number of elements: the product of the sizes.</summary>
    public int Count { get; }

    /// <summary>The size of one axis; a negative index counts from the innermost axis (-1).</summary>
    /// <param name="axis">From -Rank to Rank - 1.</param>
    /// <exception cref="ShapeException">No such axis.</exception>
    public int this[int axis]
    {
        get
        {
            int i = axis < 0 ? axis + Rank : axis;
            if ((uint)i >= (uint)Rank)
                throw new ShapeException($"Axis {axis} does not exist in a tensor of shape {this}.");
            return _sizes[i];
        }
    }

    /// <summary>The sizes, outermost first.</summary>
    [UnscopedRef]
    public ReadOnlySpan<int> Span => ((ReadOnlySpan<int>)_sizes)[..Rank];

    /// <summary>The shape without its innermost axis.</summary>
    public Shape Leading => new(Span[..^1]);

    /// <summary>This shape with one more, innermost, axis.</summary>
    /// <param name="size">The size of the new axis.</param>
    public Shape Append(int size)
    {
        Span<int> sizes = stackalloc int[Rank + 1];
        Span.CopyTo(sizes);
        sizes[Rank] = size;
        return new Shape(sizes);
    }

    /// <summary>This shape with the size of one axis replaced.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    /// <param name="size">Its new size.</param>
    public Shape With(int axis, int size)
    {
        _ = this[axis];
        Span<int> sizes = stackalloc int[Rank];
        Span.CopyTo(sizes);
        sizes[axis < 0 ? axis + Rank : axis] = size;
        return new Shape(sizes);
    }

    /// <summary>This shape without one axis.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    public Shape Without(int axis)
    {
        _ = this[axis];
        int i = axis < 0 ? axis + Rank : axis;
        Span<int> sizes = stackalloc int[Rank - 1];
        Span[..i].CopyTo(sizes);
        Span[(i + 1)..].CopyTo(sizes[i..]);
        return new Shape(sizes);
    }

    /// <summary>
    /// The shape of an elementwise operation on two operands: axes are aligned from the innermost, and an axis of size 1
    /// (or a missing one) repeats along the other's.
    /// </summary>
    /// <param name="operation">The operation's name, for the message.</param>
    /// <param name="a">The left operand's shape.</param>
    /// <param name="b">The right operand's shape.</param>
    /// <exception cref="ShapeException">An axis has two different sizes, neither of them 1.</exception>
    public static Shape Broadcast(string operation, Shape a, Shape b)
    {
        if (a == b)
            return a;
        int rank = Math.Max(a.Rank, b.Rank);
        Span<int> sizes = stackalloc int[rank];
        for (int i = 1; i <= rank; i++)
        {
            int m = i <= a.Rank ? a[-i] : 1;
            int n = i <= b.Rank ? b[-i] : 1;
            if (m != n && m != 1 && n != 1)
                throw new ShapeException($"{operation}: the shapes {a} and {b} do not fit: axis {-i} has sizes {m} and {n}.");
            sizes[rank - i] = m == 1 ? n : m;
        }
        return new Shape(sizes);
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => Span.SequenceEqual(other.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (int size in Span)
            hash.Add(size);
        return hash.ToHashCode();
    }

    /// <summary>Equal sizes.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Different sizes.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary>The sizes in brackets, for example [100, 20, 50].</summary>
    public override string ToString() => $"[{string.Join(", ", Span.ToArray())}]";
}
