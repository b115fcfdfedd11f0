using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

/// <summary>An elementwise function of 16 lanes, passed as a type argument so that it is inlined into the loop over a span.</summary>
internal interface IUnaryOperation
{
    /// <summary>The function of each lane.</summary>
    static abstract Vector512<float> Invoke(Vector512<float> x);
}

/// <summary>e^x.</summary>
internal readonly struct ExpOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Exp(x);
}

/// <summary>e^x - 1.</summary>
internal readonly struct ExpM1Operation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.ExpM1(x);
}

/// <summary>Natural logarithm.</summary>
internal readonly struct LogOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Log(x);
}

/// <summary>log(1 + x), x at least 0.</summary>
internal readonly struct Log1pOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Log1p(x);
}

/// <summary>1 / (1 + e^-x).</summary>
internal readonly struct SigmoidOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Sigmoid(x);
}

/// <summary>log(1 + e^x).</summary>
internal readonly struct SoftplusOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Softplus(x);
}

/// <summary>Hyperbolic tangent.</summary>
internal readonly struct TanhOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Tanh(x);
}

/// <summary>x for x at least 0, else e^x - 1.</summary>
internal readonly struct EluOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => SimdMath.Elu(x);
}

/// <summary>max(x, 0).</summary>
internal readonly struct ReluOperation : IUnaryOperation
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Invoke(Vector512<float> x) => Vector512.Max(x, Vector512<float>.Zero);
}
