using System.Runtime.CompilerServices;

namespace GapLab.Tensors;

/// <summary>
/// A counter-based source of random numbers, passed explicitly. Every draw is a pure function of (seed, purpose, forks, datapoint,
/// step, lane) and of its own index: there is no hidden state, the order of calls does not matter, and a row's numbers depend on no
/// other row of its batch.
/// </summary>
/// <remarks>
/// <para>Generator: Philox4x32-10 (Salmon et al., SC 2011). The 128-bit counter is (block of the row, lane, step, datapoint); the
/// 64-bit key is <c>mix(mix(seed) + purpose * 0x9E3779B97F4A7C15)</c>, with <c>mix</c> the finalizer of splitmix64 (Steele, Lea and
/// Flood, OOPSLA 2014). Each kind of draw (float32 normals, float64 uniforms, ...) has a key of its own derived from that one, so
/// different kinds of one stream share no bits and are independent.</para>
/// <para>float32 rows are made in groups of 64 numbers from 16 blocks: number i has word (i mod 64) / 16 of block
/// 16 (i / 64) + i mod 16; normals come in pairs (i, i + 16) from one block.</para>
/// </remarks>
public readonly partial struct RandomStream : IEquatable<RandomStream>
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    // One constant per kind of draw, xored into the key. Part of every stored result: never change one.
    private const ulong NormalRow = 0;
    private const ulong UniformRow = 0xA3EC647659359ACD;
    private const ulong UniformScalar = 0x7C01812CF721AD1C;
    private const ulong NormalScalar = 0x5851F42D4C957F2D;
    private const ulong Integer = 0xD1342543DE82EF95;
    private const ulong Permutation = 0xF1357AEA2E62A9C5;

    private readonly ulong _key;
    private readonly uint _datapoint;
    private readonly uint _step;
    private readonly uint _lane;

    /// <summary>The stream of a seed and a purpose, at datapoint 0, step 0, lane 0.</summary>
    /// <param name="seed">The experiment's seed; any value.</param>
    /// <param name="purpose">What the numbers are for; different purposes give independent streams.</param>
    public RandomStream(ulong seed, RandomPurpose purpose)
        : this(Mix(Mix(seed) + ((ulong)purpose * Golden)), 0, 0, 0)
    {
    }

    private RandomStream(ulong key, uint datapoint, uint step, uint lane)
    {
        _key = key;
        _datapoint = datapoint;
        _step = step;
        _lane = lane;
    }

    /// <summary>The datapoint at which this stream is placed.</summary>
    public int Datapoint => (int)_datapoint;

    /// <summary>The step (of training, of optimisation, of annealing) at which this stream is placed.</summary>
    public int Step => (int)_step;

    /// <summary>The lane (latent level, block or chain) at which this stream is placed.</summary>
    public int Lane => (int)_lane;

    /// <summary>Whether two streams are equal: they then give the same numbers.</summary>
    public static bool operator ==(RandomStream left, RandomStream right) => left.Equals(right);

    /// <summary>Whether two streams differ.</summary>
    public static bool operator !=(RandomStream left, RandomStream right) => !left.Equals(right);

    /// <summary>This stream placed at a datapoint, step and lane. All three are set; what is left out is 0.</summary>
    /// <param name="datapoint">Index of the datapoint in its data set, at least 0.</param>
    /// <param name="step">Step, at least 0.</param>
    /// <param name="lane">Latent level, block or chain, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A coordinate is negative.</exception>
    public RandomStream At(int datapoint = 0, int step = 0, int lane = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(datapoint);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegative(lane);
        return new RandomStream(_key, (uint)datapoint, (uint)step, (uint)lane);
    }

    /// <summary>
    /// An independent stream (a new key) at the same place. Forks of different tags, and forks of forks in a different order, differ.
    /// </summary>
    /// <param name="tag">Any value, for example the index of a restart or of a component.</param>
    public RandomStream Fork(ulong tag) =>
        new(Mix(_key ^ Mix(tag + Golden)), _datapoint, _step, _lane);

    /// <inheritdoc/>
    public bool Equals(RandomStream other) =>
        _key == other._key && _datapoint == other._datapoint && _step == other._step && _lane == other._lane;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is RandomStream other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_key, _datapoint, _step, _lane);

    // The finalizer of splitmix64 after one step of its Weyl sequence: a bijection of 64-bit words.
    private static ulong Mix(ulong x)
    {
        x += Golden;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (uint W0, uint W1, uint W2, uint W3) Block(ulong kind, long block) =>
        Philox.Block(_key ^ kind, (uint)block, _lane, _step, _datapoint);
}
