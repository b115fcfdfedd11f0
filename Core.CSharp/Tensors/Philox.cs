using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Tensors;

/// <summary>
/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011): a bijection of 128-bit counters for each 64-bit key, whose outputs for consecutive counters are random bits.
/// </summary>
internal static class Philox
{
    private const ulong Multiplier0 = 0xD2511F53;
    private const ulong Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>The four output words of the counter (c0, c1, c2, c3) under a key whose low half is the first key word.</summary>
    internal static (uint W0, uint W1, uint W2, uint W3) Block(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        // 64-bit registers hold the words, so that a product needs no widening.
        ulong x0 = c0, x1 = c1, x2 = c2, x3 = c3;
        var k0 = (uint)key;
        var k1 = (uint)(key >> 32);
        for (var round = 0; round < Rounds; round++)
        {
            var p0 = Multiplier0 * x0;
            var p1 = Multiplier1 * x2;
            x0 = (p1 >> 32) ^ x1 ^ k0;
            x1 = (uint)p1;
            x2 = (p0 >> 32) ^ x3 ^ k1;
            x3 = (uint)p0;
            k0 += Weyl0;
            k1 += Weyl1;
        }

        return ((uint)x0, (uint)x1, (uint)x2, (uint)x3);
    }

    /// <summary>
    /// Groups of 64 words, each from the blocks of 16 counters: group g has those of (c0 + 16 g + lane, c1, c2, c3), lane = 0..15, and
    /// words[64 g + 16 w + lane] has the bits of word w of <see cref="Block"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void FillGroups(ulong key, uint c0, uint c1, uint c2, uint c3, uint* words, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            Group(key, c0 + (16 * (uint)g), c1, c2, c3, words + (64 * g));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Group(ulong key, uint c0, uint c1, uint c2, uint c3, uint* words)
    {
        // One counter per 64-bit lane, even counters in a, odd ones in b: a product is one instruction, its high word one shift,
        // and what is left in the upper halves is ignored by the next multiplication.
        var first = Vector512.Create((ulong)c0) + Vector512.Create(0UL, 2, 4, 6, 8, 10, 12, 14);
        var a0 = first;
        var b0 = first + Vector512.Create(1UL);
        Vector512<ulong> a1 = Vector512.Create((ulong)c1), b1 = a1;
        Vector512<ulong> a2 = Vector512.Create((ulong)c2), b2 = a2;
        Vector512<ulong> a3 = Vector512.Create((ulong)c3), b3 = a3;
        var m0 = Vector512.Create(Multiplier0);
        var m1 = Vector512.Create(Multiplier1);
        var k0 = (uint)key;
        var k1 = (uint)(key >> 32);
        for (var round = 0; round < Rounds; round++)
        {
            var key0 = Vector512.Create((ulong)k0);
            var key1 = Vector512.Create((ulong)k1);
            var p0 = MultiplyLow(a0, m0);
            var p1 = MultiplyLow(a2, m1);
            a0 = (p1 >>> 32) ^ a1 ^ key0;
            a1 = p1;
            a2 = (p0 >>> 32) ^ a3 ^ key1;
            a3 = p0;
            p0 = MultiplyLow(b0, m0);
            p1 = MultiplyLow(b2, m1);
            b0 = (p1 >>> 32) ^ b1 ^ key0;
            b1 = p1;
            b2 = (p0 >>> 32) ^ b3 ^ key1;
            b3 = p0;
            k0 += Weyl0;
            k1 += Weyl1;
        }

        Interleave(a0, b0).Store(words);
        Interleave(a1, b1).Store(words + 16);
        Interleave(a2, b2).Store(words + 32);
        Interleave(a3, b3).Store(words + 48);
    }

    // The 64-bit products of the low halves of each 64-bit lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> MultiplyLow(Vector512<ulong> x, Vector512<ulong> y)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.Multiply(x.AsUInt32(), y.AsUInt32());
        }

        if (Avx2.IsSupported)
        {
            return Vector512.Create(
                Avx2.Multiply(x.GetLower().AsUInt32(), y.GetLower().AsUInt32()),
                Avx2.Multiply(x.GetUpper().AsUInt32(), y.GetUpper().AsUInt32()));
        }

        var low = Vector512.Create(0xFFFFFFFFUL);
        return (x & low) * (y & low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Interleave(Vector512<ulong> even, Vector512<ulong> odd) =>
        ((even & Vector512.Create(0xFFFFFFFFUL)) | (odd << 32)).AsUInt32();
}
