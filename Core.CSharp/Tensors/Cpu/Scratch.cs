using System.Runtime.InteropServices;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// A growing block of native memory, aligned to a cache line. Each thread keeps its own and uses it again for
/// every product, so a product allocates nothing in steady state; the finalizer frees it after the thread.
/// </summary>
internal sealed unsafe class Scratch
{
    [ThreadStatic]
    private static Scratch? _left;

    [ThreadStatic]
    private static Scratch? _right;

    private float* _memory;
    private nint _length;

    ~Scratch() => NativeMemory.AlignedFree(_memory);

    /// <summary>The calling thread's block for packed rows of op(A).</summary>
    public static Scratch Left => _left ??= new Scratch();

    /// <summary>The calling thread's block for packed columns of op(B).</summary>
    public static Scratch Right => _right ??= new Scratch();

    /// <summary>Room for <paramref name="length"/> numbers; earlier contents are lost when it has to grow.</summary>
    public float* Reserve(nint length)
    {
        if (length > _length)
        {
            var grown = Math.Max(length, 4096);
            NativeMemory.AlignedFree(_memory);
            _memory = null;
            _length = 0;
            _memory = (float*)NativeMemory.AlignedAlloc((nuint)grown * sizeof(float), 4096);
            _length = grown;
        }

        return _memory;
    }
}
