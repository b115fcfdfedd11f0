namespace GapLab.Tensors;

public readonly partial struct RandomStream
{
    private const long Blocks = 1L << 32;
    private const double TwoToMinus53 = 1.0 / (1L << 53);

    /// <summary>Draw number <paramref name="index"/> of a uniform distribution on [0, 1), a multiple of 2^-53.</summary>
    /// <param name="index">Which draw: 0 to 2^33 - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is out of range.</exception>
    public double Uniform(long index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, 2 * (ulong)Blocks, nameof(index));
        var (w0, w1, w2, w3) = Block(UniformScalar, index >> 1);
        return (((index & 1) == 0 ? Wide(w0, w1) : Wide(w2, w3)) >> 11) * TwoToMinus53;
    }

    /// <summary>
    /// Draw number <paramref name="index"/> of a standard normal distribution in float64, by Box-Muller: |z| is at most
    /// sqrt(2 * 54 ln 2) = 8.65. Its last bits are those of the platform's log, cos and sin.
    /// </summary>
    /// <param name="index">Which draw: 0 to 2^33 - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is out of range.</exception>
    public double Normal(long index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, 2 * (ulong)Blocks, nameof(index));
        var (w0, w1, w2, w3) = Block(NormalScalar, index >> 1);
        var u = ((Wide(w0, w1) >> 11) + 0.5) * TwoToMinus53;
        var radius = Math.Sqrt(-2 * Math.Log(u));
        var angle = (Wide(w2, w3) >> 11) * TwoToMinus53 * Math.Tau;
        return radius * ((index & 1) == 0 ? Math.Cos(angle) : Math.Sin(angle));
    }

    /// <summary>Draw number <paramref name="index"/> of a uniform distribution on {0, ..., n - 1}, without bias.</summary>
    /// <param name="n">Number of values, at least 1.</param>
    /// <param name="index">Which draw: 0 to 2^32 - 1. Draws of the same index and different n are not independent.</param>
    /// <exception cref="ArgumentOutOfRangeException">n is below 1 or the index is out of range.</exception>
    public int Below(int n, long index)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)Blocks, nameof(index));
        return Below(Integer, n, index);
    }

    /// <summary>Puts the elements into a uniformly random order (Fisher and Yates; Durstenfeld's form).</summary>
    /// <param name="items">The elements; at most 2^31 - 1 of them.</param>
    public void Shuffle(Span<int> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Below(Permutation, i + 1, i);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    // Lemire's multiplication method (ACM TOMACS 29, 2019) with 64-bit words, of which a fraction below n / 2^64 is rejected.
    // Each attempt has a key of its own, so an attempt never meets the words of another draw.
    private int Below(ulong kind, int n, long index)
    {
        var bound = (ulong)n;
        for (var attempt = 0UL; ; attempt++)
        {
            var (w0, w1, w2, w3) = Block(kind ^ (attempt == 0 ? 0 : Mix(attempt)), index);
            var value = Math.BigMul(Wide(w0, w1), bound, out var low);
            if (low >= bound || low >= (0UL - bound) % bound)
            {
                return (int)value;
            }

            value = Math.BigMul(Wide(w2, w3), bound, out low);
            if (low >= bound || low >= (0UL - bound) % bound)
            {
                return (int)value;
            }
        }
    }

    private static ulong Wide(uint low, uint high) => low | ((ulong)high << 32);
}
