using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// Elementary functions of 16 float32 lanes. Every product-sum is an explicit fused multiply-add, so a lane's bits are the same
/// with 512-bit, 256-bit and 128-bit registers (a NaN stays a NaN; only its payload is unspecified). Results underflow gradually
/// to denormal numbers. Polynomials are relative minimax fits (Remez exchange in 40-digit arithmetic); their coefficients were then
/// rounded to float32 one by one from the lowest power up, refitting the rest; the stated fit error is that of the rounded set.
/// Odd and even powers are summed apart where the square is needed anyway: the same number of instructions, half the latency.
/// </summary>
internal static partial class SimdMath
{
    private const float Log2E = 1.44269502f;
    private const float Ln2 = 0.693147182f;

    // ln 2 = Ln2 + Ln2Low: a fused multiply-add makes the first product exact, so the high part needs no trailing zeros.
    private const float Ln2Low = -1.904654212e-09f;

    // Adding 1.5 * 2^23 rounds to an integer; the further 127 leaves n + 127 in the low bits: a shift by 23 then makes 2^n.
    private const float Rounder = 12582912f + 127f;
    private const int RounderBits = 0x4B40007F;

    // Clamps put the constant first: MinNative and MaxNative return their second operand where one is NaN, so NaN goes through.

    /// <summary>e^x; at most 1 ulp. Below -103.98 zero, above 88.7228 infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Exp(Vector512<float> x) =>
        ExpOfClamped(Vector512.MinNative(Vector512.Create(89f), Vector512.MaxNative(Vector512.Create(-104f), x)));

    /// <summary>e^x for x at most 88.7 or NaN: saves the upper clamp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ExpOfNonPositive(Vector512<float> x) =>
        ExpOfClamped(Vector512.MaxNative(Vector512.Create(-104f), x));

    /// <summary>e^x - 1 with relative accuracy at 0; at most 2 ulp. The sign of zero is kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ExpM1(Vector512<float> x)
    {
        var c = Vector512.MinNative(Vector512.Create(89f), Vector512.MaxNative(Vector512.Create(-18f), x));
        var t = Vector512.FusedMultiplyAdd(c, Vector512.Create(Log2E), Vector512.Create(Rounder));
        var n = t - Vector512.Create(Rounder);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2), c);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);

        // Half of 2^n, doubled at the end, because 2^128 is needed between 88.4 and 88.7 and is not a float32.
        var half = Vector512.ShiftLeft((t - Vector512.Create(1f)).AsInt32(), 23).AsSingle();
        var y = Vector512.FusedMultiplyAdd(half, ExpM1Reduced(r), half - Vector512.Create(0.5f));
        return (y + y) | (x & Vector512.Create(-0f));
    }

    /// <summary>Natural logarithm; at most 2 ulp. log ±0 = -inf, log of a negative number is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Log(Vector512<float> x)
    {
        var m = SplitExponent(x, out var n);
        return LogOfParts(m - Vector512.Create(1f), n);
    }

    /// <summary>Natural logarithm of positive, finite numbers that are not denormal; the bits of <see cref="Log"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> LogOfNormal(Vector512<float> x)
    {
        if (Avx512F.IsSupported)
        {
            return Log(x);
        }

        var m = SplitExponentOfNormal(x.AsInt32(), out var n);
        return LogOfParts(m - Vector512.Create(1f), n);
    }

    /// <summary>log(1 + t) for t at least 0, with relative accuracy at 0; at most 2 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Log1p(Vector512<float> t)
    {
        var m = SplitExponent(t + Vector512.Create(1f), out var n);

        // f = (1 + t) 2^-n - 1 with one rounding. Beyond 2^30 the 1 does not count (and 2^-n would leave the normal range).
        var s = Vector512.ShiftLeft((Vector512.Create(Rounder) - n).AsInt32(), 23).AsSingle();
        var f = Vector512.FusedMultiplyAdd(t, s, s - Vector512.Create(1f));
        f = Vector512.ConditionalSelect(
            Vector512.GreaterThan(t, Vector512.Create(1073741824f)), m - Vector512.Create(1f), f);
        return LogOfParts(f, n);
    }

    /// <summary>1 / (1 + e^-a); at most 3 ulp, also where it is denormal (a = -100).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Sigmoid(Vector512<float> a) => SigmoidFrom(ExpOfMinusAbs(a), a);

    /// <summary>log(1 + e^a); at most 4 ulp, also for very negative a, where it is e^a.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Softplus(Vector512<float> a) => SoftplusFrom(ExpOfMinusAbs(a), a);

    /// <summary>
    /// Sigmoid and softplus of one argument from one exponential: log p(x|a) = x a - softplus(a) of a Bernoulli variable with logit a,
    /// and its derivative x - sigmoid(a). The same bits as the two functions by themselves.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> SigmoidAndSoftplus(Vector512<float> a, out Vector512<float> softplus)
    {
        var e = ExpOfMinusAbs(a);
        softplus = SoftplusFrom(e, a);
        return SigmoidFrom(e, a);
    }

    /// <summary>Hyperbolic tangent; at most 3 ulp, odd, and the identity for tiny x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Tanh(Vector512<float> x)
    {
        // tanh|x| = -d / (2 + d) with d = e^(-2|x|) - 1, which does not overflow; the sign, also zero's, is x's.
        var signBit = Vector512.Create(-0f);
        var d = ExpM1OfNonPositive((x | signBit) * Vector512.Create(2f));
        return Vector512.ConditionalSelect(signBit, x, d / (d + Vector512.Create(2f)));
    }

    /// <summary>x for x at least 0, else e^x - 1 (the exponential linear unit with alpha = 1); at most 2 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Elu(Vector512<float> x) =>
        Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(x, Vector512<float>.Zero), x, ExpM1OfNonPositive(x));

    /// <summary>e^-|a|, the exponential that sigmoid and softplus share.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ExpOfMinusAbs(Vector512<float> a) => ExpOfNonPositive(a | Vector512.Create(-0f));

    /// <summary>Sigmoid of a, given e = e^-|a|.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> SigmoidFrom(Vector512<float> e, Vector512<float> a)
    {
        var one = Vector512.Create(1f);
        return Vector512.ConditionalSelect(Vector512.LessThan(a, Vector512<float>.Zero), e, one) / (e + one);
    }

    /// <summary>Softplus of a, given e = e^-|a|: max(a, 0) + log(1 + e).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> SoftplusFrom(Vector512<float> e, Vector512<float> a)
    {
        // log(1 + e) = e + e^2 Q(e) on [0, 1], fit error 3.3e-8.
        var square = e * e;
        var odd = Vector512.Create(5.365422461e-03f);
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(7.920882851e-02f));
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(1.915384829e-01f));
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(3.332132995e-01f));
        var even = Vector512.Create(-3.006830066e-02f);
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-1.375418752e-01f));
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-2.485721707e-01f));
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-4.999964833e-01f));
        var q = Vector512.FusedMultiplyAdd(odd, e, even);
        return Vector512.MaxNative(Vector512<float>.Zero, a) + Vector512.FusedMultiplyAdd(square, q, e);
    }

    /// <summary>
    /// Sine and cosine of k pi / 2^33 for |k| at most 2^31, that is of angles in [-pi/4, pi/4], to 5e-8: for Box-Muller, whose
    /// angle is made of integer bits, so that no argument has to be reduced.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SinCosQuarter(Vector512<float> k, out Vector512<float> sin, out Vector512<float> cos)
    {
        // sin v = v + v^3 S(v^2), fit error 4.0e-9; cos v = 1 + v^2 C(v^2), fit error 3.9e-8.
        var v = k * Vector512.Create(3.657295198e-10f);
        var square = v * v;
        var s = Vector512.Create(-1.951829181e-04f);
        s = Vector512.FusedMultiplyAdd(s, square, Vector512.Create(8.332189173e-03f));
        s = Vector512.FusedMultiplyAdd(s, square, Vector512.Create(-1.666665524e-01f));
        sin = Vector512.FusedMultiplyAdd(v * square, s, v);
        var c = Vector512.Create(-1.359101734e-03f);
        c = Vector512.FusedMultiplyAdd(c, square, Vector512.Create(4.165571555e-02f));
        c = Vector512.FusedMultiplyAdd(c, square, Vector512.Create(-4.999988377e-01f));
        cos = Vector512.FusedMultiplyAdd(c, square, Vector512.Create(1f));
    }

    // e^x for x in [-104, 89] or NaN: x = n ln 2 + r, |r| <= ln 2 / 2, e^r = 1 + r + r^2 Q(r) with fit error 3.2e-9.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> ExpOfClamped(Vector512<float> x)
    {
        var t = Vector512.FusedMultiplyAdd(x, Vector512.Create(Log2E), Vector512.Create(Rounder));
        var n = t - Vector512.Create(Rounder);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        var p = Vector512.Create(1.383803086e-03f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.369166404e-03f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.166810215e-02f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.666651666e-01f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.999999404e-01f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f));
        if (Avx512F.IsSupported)
        {
            return Avx512F.Scale(p, n);
        }

        // 2^n in two factors, so that neither leaves the normal range and only the last product rounds, as vscalefps does.
        var k = t.AsInt32() - Vector512.Create(RounderBits);
        var half = Vector512.ShiftRightArithmetic(k, 1);
        var bias = Vector512.Create(127);
        return p * Vector512.ShiftLeft(half + bias, 23).AsSingle() * Vector512.ShiftLeft(k - half + bias, 23).AsSingle();
    }

    // e^x - 1 for x <= 0 or NaN; anything for x > 0. From -18 on the result is -1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> ExpM1OfNonPositive(Vector512<float> x)
    {
        var c = Vector512.MaxNative(Vector512.Create(-18f), x);
        var t = Vector512.FusedMultiplyAdd(c, Vector512.Create(Log2E), Vector512.Create(Rounder));
        var n = t - Vector512.Create(Rounder);

        // The low part of ln 2 would change r by |n| 2e-9, the result by 2^n |n| 2e-9: nothing beside the result, about 1 - 2^n.
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2), c);
        var s = Vector512.ShiftLeft(t.AsInt32(), 23).AsSingle();
        return Vector512.FusedMultiplyAdd(s, ExpM1Reduced(r), s - Vector512.Create(1f));
    }

    // e^r - 1 = r + r^2 Q(r) for |r| <= ln 2 / 2; fit error 1.4e-8.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> ExpM1Reduced(Vector512<float> r)
    {
        var square = r * r;
        var odd = Vector512.Create(8.367088623e-03f);
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(1.666653901e-01f));
        var even = Vector512.Create(1.383782830e-03f);
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(4.166774824e-02f));
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(4.999999702e-01f));
        var q = Vector512.FusedMultiplyAdd(odd, r, even);
        return Vector512.FusedMultiplyAdd(square, q, r);
    }

    // n ln 2 + log(1 + f) for f in [-0.25, 0.5): f + f^2 Q(f), fit error 3.6e-8 (coefficients rounded at once).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LogOfParts(Vector512<float> f, Vector512<float> n)
    {
        var square = f * f;
        var odd = Vector512.Create(5.413304642e-02f);
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(1.498392671e-01f));
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(1.997707635e-01f));
        odd = Vector512.FusedMultiplyAdd(odd, square, Vector512.Create(3.333354890e-01f));
        var even = Vector512.Create(-1.206742749e-01f);
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-1.682280600e-01f));
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-2.499344200e-01f));
        even = Vector512.FusedMultiplyAdd(even, square, Vector512.Create(-5.000005960e-01f));
        var q = Vector512.FusedMultiplyAdd(odd, f, even);
        return Vector512.FusedMultiplyAdd(n, Vector512.Create(Ln2), Vector512.FusedMultiplyAdd(square, q, f));
    }

    // x = m 2^n with m in [0.75, 1.5). 0 gives (1, -inf), inf gives (1, inf), a negative number or NaN gives m = NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> SplitExponent(Vector512<float> x, out Vector512<float> n)
    {
        if (Avx512F.IsSupported)
        {
            // Control: interval [0.75, 1.5), NaN for negative arguments.
            var mantissa = Avx512F.GetMantissa(x, 0b1011);
            n = Avx512F.GetExponent(x) - Avx512F.GetExponent(mantissa);
            return mantissa;
        }

        // Denormals are scaled into the normal range first.
        var denormal = Vector512.LessThan(x, Vector512.Create(1.17549435e-38f));
        var bits = Vector512.ConditionalSelect(denormal, x * Vector512.Create(8388608f), x).AsInt32();
        var m = SplitExponentOfNormal(bits, out n);
        n -= denormal & Vector512.Create(23f);
        var infinity = Vector512.Create(float.PositiveInfinity);
        var zero = Vector512.Equals(x, Vector512<float>.Zero);
        var infinite = Vector512.Equals(x, infinity);
        n = Vector512.ConditionalSelect(infinite, infinity, Vector512.ConditionalSelect(zero, -infinity, n));
        m = Vector512.ConditionalSelect(zero | infinite, Vector512.Create(1f), m);
        return Vector512.ConditionalSelect(
            Vector512.GreaterThanOrEqual(x, Vector512<float>.Zero), m, Vector512.Create(float.NaN));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> SplitExponentOfNormal(Vector512<int> bits, out Vector512<float> n)
    {
        // Subtracting the bits of 0.75 leaves floor(log2(x / 0.75)) in the exponent's place.
        var exponent = Vector512.ShiftRightArithmetic(bits - Vector512.Create(0x3F400000), 23);
        n = Vector512.ConvertToSingle(exponent);
        return (bits - Vector512.ShiftLeft(exponent, 23)).AsSingle();
    }
}
