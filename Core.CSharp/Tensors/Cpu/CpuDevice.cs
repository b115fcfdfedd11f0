namespace GapLab.Tensors.Cpu;

/// <summary>
/// The fast device: float32 products and activations with SIMD kernels on persistent worker threads, float64 log-densities.
/// Results are bitwise equal for any number of threads: work is split over outputs only, every output has one order of
/// accumulation, and each SIMD path uses fused multiply-adds in the same places.
/// </summary>
public sealed unsafe partial class CpuDevice : HostDevice
{
    /// <summary>Elementwise work below this many numbers is not worth handing to another thread.</summary>
    private const int ParallelThreshold = 16384;

    private CpuDevice() { }

    /// <summary>The one CPU device.</summary>
    public static CpuDevice Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "cpu";

    /// <inheritdoc/>
    public override ElementType Real => ElementType.Float32;

    /// <inheritdoc/>
    public override void MatrixProduct(Storage a, bool transposeA, Storage b, bool transposeB, PackedWeight? packed, Storage c, int m, int n, int k)
    {
        RequireFloat32("MatrixProduct", a, b, c);
        if (packed is CpuPackedWeight weight && !transposeA)
        {
            Cpu.MatrixProduct.Multiply((float*)a.Address, k, false, weight.Operand(transposeB), (float*)c.Address, n, m);
            return;
        }
        Cpu.MatrixProduct.Multiply(
            (float*)a.Address, transposeA ? m : k, transposeA,
            (float*)b.Address, transposeB ? k : n, transposeB,
            (float*)c.Address, n, m, n, k, accumulate: false, default);
    }

    /// <inheritdoc/>
    public override void Linear(Storage x, Storage weight, PackedWeight? packed, Storage bias, Activation activation, Storage y, int m, int n, int k)
    {
        RequireFloat32("Linear", x, weight, y);
        var epilogue = new Epilogue((float*)bias.Address, activation);
        if (packed is CpuPackedWeight copy)
        {
            Cpu.MatrixProduct.Multiply((float*)x.Address, k, false, copy.Operand(true), (float*)y.Address, n, m, false, epilogue);
            return;
        }
        Cpu.MatrixProduct.Multiply(
            (float*)x.Address, k, false, (float*)weight.Address, k, true, (float*)y.Address, n, m, n, k,
            accumulate: false, epilogue);
    }

    /// <inheritdoc/>
    public override PackedWeight Pack(Storage matrix, int rows, int columns)
    {
        RequireFloat32("Pack", matrix, matrix, matrix);
        return new CpuPackedWeight((float*)matrix.Address, rows, columns);
    }

    /// <inheritdoc/>
    public override void Repack(PackedWeight packed, Storage matrix) => ((CpuPackedWeight)packed).Fill((float*)matrix.Address);

    private static void RequireFloat32(string operation, Storage a, Storage b, Storage c)
    {
        if (a.Type != ElementType.Float32 || b.Type != ElementType.Float32 || c.Type != ElementType.Float32)
            throw new ShapeException($"{operation}: the CPU device computes this in float32 only; use the reference device for float64.");
    }
}
