using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GapLab.Tensors.Cpu;

namespace GapLab.Tensors;

public readonly unsafe partial struct RandomStream
{
    private const int Group = 64;
    private const int Lanes = 16;
    private const long RowLimit = 1L << 34;

    // Groups per pass over the words, which are written into the destination and transformed in place: 4 KiB stay in the first cache.
    private const int GroupsPerPass = 16;

    private interface IRowKind
    {
        /// <summary>Replaces groups of 64 random words by 64 numbers each.</summary>
        static abstract void Transform(float* values, nint groups);
    }

    /// <summary>
    /// Fills with standard normal float32 numbers: destination[i] is number offset + i of this stream's row, whatever the span's
    /// length, the offset, or the width of the machine's registers.
    /// </summary>
    /// <remarks>
    /// Box-Muller: z = sqrt(-2 log u) (cos, sin)(2 pi v), u = (k + 1/2) / 2^31 rounded to float32, in (0, 1], from 31 bits, v from 32 bits.
    /// The largest |z| is sqrt(2 * 32 ln 2) = 6.66, which a normal variable exceeds with probability 2.7e-11. The radius takes steps of
    /// 2e-5 near 5 and of 5e-3 near 6; the logarithm is good to 1.4 ulp, sine and cosine to 1e-7.
    /// </remarks>
    /// <param name="destination">Where the numbers go.</param>
    /// <param name="offset">Number of the first one in this stream's row; offset + length at most 2^34.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative or the row would be too long.</exception>
    public void FillNormal(Span<float> destination, long offset = 0) => Fill<NormalKind>(NormalRow, destination, offset);

    /// <summary>
    /// Fills with float32 numbers, uniform on [0, 1), multiples of 2^-24: destination[i] is number offset + i of this stream's row.
    /// </summary>
    /// <param name="destination">Where the numbers go.</param>
    /// <param name="offset">Number of the first one in this stream's row; offset + length at most 2^34.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative or the row would be too long.</exception>
    public void FillUniform(Span<float> destination, long offset = 0) => Fill<UniformKind>(UniformRow, destination, offset);

    private void Fill<TKind>(ulong kind, Span<float> destination, long offset)
        where TKind : struct, IRowKind
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, RowLimit - destination.Length);
        fixed (float* start = destination)
        {
            var output = start;
            var left = destination.Length;
            var position = offset;
            var skipped = (int)(position % Group);
            if (skipped != 0)
            {
                var count = Math.Min(Group - skipped, left);
                FillPart<TKind>(kind, position - skipped, skipped, output, count);
                output += count;
                position += count;
                left -= count;
            }

            while (left >= Group)
            {
                var groups = Math.Min(left / Group, GroupsPerPass);
                FillGroups<TKind>(kind, position, output, groups);
                output += groups * Group;
                position += groups * Group;
                left -= groups * Group;
            }

            if (left > 0)
            {
                FillPart<TKind>(kind, position, 0, output, left);
            }
        }
    }

    [SkipLocalsInit]
    private void FillPart<TKind>(ulong kind, long position, int skipped, float* output, int count)
        where TKind : struct, IRowKind
    {
        var group = stackalloc float[Group];
        FillGroups<TKind>(kind, position, group, 1);
        new ReadOnlySpan<float>(group + skipped, count).CopyTo(new Span<float>(output, count));
    }

    private void FillGroups<TKind>(ulong kind, long position, float* output, int groups)
        where TKind : struct, IRowKind
    {
        Philox.FillGroups(_key ^ kind, (uint)(position / 4), _lane, _step, _datapoint, (uint*)output, groups);
        TKind.Transform(output, groups);
    }

    // The loops below are compiled with full optimization at once: unoptimized, the inlined vector code costs a hundred times as much.
    private readonly struct UniformKind : IRowKind
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Transform(float* values, nint groups)
        {
            for (nint i = 0; i < groups * Group; i += Lanes)
            {
                var w = Vector512.Load((uint*)values + i) >>> 8;
                (Vector512.ConvertToSingle(w.AsInt32()) * Vector512.Create(5.9604644775390625e-8f)).Store(values + i);
            }
        }
    }

    private readonly struct NormalKind : IRowKind
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Transform(float* values, nint groups)
        {
            for (nint i = 0; i < groups * Group; i += 2 * Lanes)
            {
                Pair(Vector512.Load((uint*)values + i), Vector512.Load((uint*)values + i + Lanes), out var z0, out var z1);
                z0.Store(values + i);
                z1.Store(values + i + Lanes);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Pair(Vector512<uint> radiusBits, Vector512<uint> angleBits, out Vector512<float> z0, out Vector512<float> z1)
        {
            // 31 bits, because the conversion of signed integers is one instruction on every path.
            var u = Vector512.FusedMultiplyAdd(
                Vector512.ConvertToSingle((radiusBits >>> 1).AsInt32()),
                Vector512.Create(4.656612873077393e-10f),
                Vector512.Create(2.3283064365386963e-10f));
            var radius = Vector512.Sqrt(SimdMath.LogOfNormal(u) * Vector512.Create(-2f));

            // The low 30 bits give an angle in [-pi/4, pi/4); exchanging sine and cosine by bit 31 turns that quarter of the circle into
            // the next one, and the sign, from bit 30, into the opposite two.
            var sign = ((angleBits << 1) & Vector512.Create(0x80000000u)).AsSingle();
            var signed = radius ^ sign;
            SimdMath.SinCosQuarter(Vector512.ConvertToSingle((angleBits << 2).AsInt32()), out var sin, out var cos);
            var exchange = Vector512.LessThan(angleBits.AsInt32(), Vector512<int>.Zero).AsSingle();
            z0 = signed * Vector512.ConditionalSelect(exchange, sin, cos);
            z1 = signed * Vector512.ConditionalSelect(exchange, cos, sin);
        }
    }
}
