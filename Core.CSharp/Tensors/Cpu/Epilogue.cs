using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

/// <summary>
/// What happens to a tile of C[M, N] after its last block of k, while it is in the first-level cache:
/// C = f(C + bias[N]). The default value does nothing.
/// </summary>
internal readonly unsafe struct Epilogue
{
    private readonly float* _bias;
    private readonly Activation _activation;

    /// <summary>f(C + bias); no bias is added when <paramref name="bias"/> is null.</summary>
    public Epilogue(float* bias, Activation activation = Activation.Identity)
    {
        _bias = bias;
        _activation = activation;
    }

    /// <summary>True when C is left as it is.</summary>
    public bool IsEmpty => _bias == null && _activation == Activation.Identity;

    /// <summary>The bias from column <paramref name="column"/> on, or null.</summary>
    public float* BiasAt(nint column) => _bias == null ? null : _bias + column;

    /// <summary>
    /// Applies this epilogue to c[rows, columns] with row length <paramref name="ldc"/>; <paramref name="columns"/>
    /// is a multiple of 16, and <paramref name="bias"/> (null for none) starts at the tile's first column.
    /// </summary>
    public void Apply(float* c, nint ldc, int rows, int columns, float* bias)
    {
        switch (_activation)
        {
            case Activation.Identity:
                AddBias(c, ldc, rows, columns, bias);
                break;
            case Activation.Elu:
                Activate<EluOperation>(c, ldc, rows, columns, bias);
                break;
            case Activation.Tanh:
                Activate<TanhOperation>(c, ldc, rows, columns, bias);
                break;
            case Activation.Relu:
                Activate<ReluOperation>(c, ldc, rows, columns, bias);
                break;
            default:
                Activate<SigmoidOperation>(c, ldc, rows, columns, bias);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBias(float* c, nint ldc, int rows, int columns, float* bias)
    {
        for (var j = 0; j < columns; j += Vector512<float>.Count)
        {
            var shift = Vector512.Load(bias + j);
            var p = c + j;
            for (var i = 0; i < rows; i++, p += ldc)
            {
                (Vector512.Load(p) + shift).Store(p);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Activate<TOperation>(float* c, nint ldc, int rows, int columns, float* bias)
        where TOperation : IUnaryOperation
    {
        for (var j = 0; j < columns; j += Vector512<float>.Count)
        {
            // Adding minus zero changes nothing, not even the sign of a zero.
            var shift = bias == null ? Vector512.Create(-0f) : Vector512.Load(bias + j);
            var p = c + j;
            for (var i = 0; i < rows; i++, p += ldc)
            {
                TOperation.Invoke(Vector512.Load(p) + shift).Store(p);
            }
        }
    }
}
