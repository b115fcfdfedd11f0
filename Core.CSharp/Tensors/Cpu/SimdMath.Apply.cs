using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

internal static unsafe partial class SimdMath
{
    private const int Lanes = 16;

    // The loops below are compiled with full optimization at once: unoptimized, their inlined vectors cost a hundred times as much.

    /// <summary>
    /// y[i] = op(x[i]) for i in [0, n); y may be x, but may not overlap it otherwise. The last, incomplete vector goes through the
    /// same code on a padded copy, so an element's bits depend on its value only.
    /// </summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply<TOperation>(float* x, float* y, nint n)
        where TOperation : IUnaryOperation
    {
        nint i = 0;
        for (; i <= n - Lanes; i += Lanes)
        {
            TOperation.Invoke(Vector512.Load(x + i)).Store(y + i);
        }

        if (i < n)
        {
            var tail = stackalloc float[Lanes];
            LoadTail(x + i, tail, n - i);
            TOperation.Invoke(Vector512.Load(tail)).Store(tail);
            StoreTail(tail, y + i, n - i);
        }
    }

    private static void LoadTail(float* source, float* tail, nint count)
    {
        Vector512<float>.Zero.Store(tail);
        for (nint i = 0; i < count; i++)
        {
            tail[i] = source[i];
        }
    }

    private static void StoreTail(float* tail, float* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            destination[i] = tail[i];
        }
    }
}
