namespace GapLab.Tensors;

/// <summary>
/// A run of numbers in a device's memory: an address, a length and an element type. It owns nothing; memory scopes and
/// owned tensors do. Only the device it belongs to may follow the address.
/// </summary>
/// <param name="Address">The address of the first number, in the device's own address space.</param>
/// <param name="Length">How many numbers.</param>
/// <param name="Type">What they are.</param>
public readonly record struct Storage(nint Address, int Length, ElementType Type)
{
    /// <summary>The size of one number in bytes.</summary>
    public static int SizeOf(ElementType type) => type == ElementType.Float32 ? sizeof(float) : sizeof(double);

    /// <summary>The size of the whole run in bytes.</summary>
    public long Bytes => (long)Length * SizeOf(Type);

    /// <summary>A part of the run.</summary>
    /// <param name="start">Where it begins.</param>
    /// <param name="length">How many numbers.</param>
    internal Storage Slice(int start, int length) => new(Address + (nint)start * SizeOf(Type), length, Type);

    /// <summary>The numbers as host memory; only for devices whose memory the host can read.</summary>
    internal unsafe Span<float> Floats => Type == ElementType.Float32
        ? new Span<float>((void*)Address, Length)
        : throw new InvalidOperationException("The storage holds float64 numbers.");

    /// <summary>The numbers as host memory; only for devices whose memory the host can read.</summary>
    internal unsafe Span<double> Doubles => Type == ElementType.Float64
        ? new Span<double>((void*)Address, Length)
        : throw new InvalidOperationException("The storage holds float32 numbers.");
}
