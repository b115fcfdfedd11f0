namespace GapLab.Tensors.Cpu;

/// <summary>
/// C[M, N] = op(A)[M, K] · op(B)[K, N] in float32, optionally added to C, with an <see cref="Epilogue"/>. Matrices
/// are row-major with a row length (lda, ldb, ldc) of their own; op is the identity or the transpose.
/// </summary>
/// <remarks>
/// Every output is one chain of fused multiply-adds over k = 0 .. K - 1 in ascending order that starts from zero,
/// or from C when accumulating; a later block of k loads C and continues the chain. So the bits of an output
/// depend on its row of op(A) and its column of op(B) alone: not on its place, the batch, the threads or the
/// SIMD width. NaN, infinities and denormal numbers behave as IEEE 754 says. C must not overlap A or B.
/// </remarks>
internal static unsafe partial class MatrixProduct
{
    /// <summary>
    /// C[<paramref name="m"/>, <paramref name="n"/>] (+)= op(A)[m, k] · op(B)[k, n], then the epilogue.
    /// A is stored as [m, k], or [k, m] with <paramref name="transA"/>; B as [k, n], or [n, k] with <paramref name="transB"/>.
    /// </summary>
    public static void Multiply(
        float* a,
        nint lda,
        bool transA,
        float* b,
        nint ldb,
        bool transB,
        float* c,
        nint ldc,
        int m,
        int n,
        int k,
        bool accumulate = false,
        Epilogue epilogue = default)
    {
        var job = new Job
        {
            Width = MicroKernelSet.Current.Width,
            M = m,
            N = n,
            K = k,
            A = a,
            Lda = lda,
            TransA = transA,
            B = b,
            Ldb = ldb,
            Source = transB ? RightSource.Transposed : RightSource.Rows,
            C = c,
            Ldc = ldc,
            Accumulate = accumulate,
            Epilogue = epilogue,
        };
        Start(&job);
    }

    /// <summary>
    /// C[<paramref name="m"/>, N] (+)= op(A)[m, K] · B[K, N], then the epilogue, for a right factor packed before.
    /// A is stored as [m, K], or [K, m] with <paramref name="transA"/>.
    /// </summary>
    public static void Multiply(
        float* a,
        nint lda,
        bool transA,
        PackedMatrix b,
        float* c,
        nint ldc,
        int m,
        bool accumulate = false,
        Epilogue epilogue = default)
    {
        var job = new Job
        {
            Width = b.Kernels.Width,
            M = m,
            N = b.Columns,
            K = b.Depth,
            A = a,
            Lda = lda,
            TransA = transA,
            B = b.Panels,
            Source = RightSource.Packed,
            C = c,
            Ldc = ldc,
            Accumulate = accumulate,
            Epilogue = epilogue,
        };
        Start(&job);
        GC.KeepAlive(b);
    }
}
