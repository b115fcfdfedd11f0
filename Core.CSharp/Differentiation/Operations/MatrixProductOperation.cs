using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>C[m, n] = op(A)[m, k] · op(B)[k, n].</summary>
internal sealed class MatrixProductOperation : Operation
{
    public static readonly MatrixProductOperation Instance = new();

    public override string Name => "MatMul";

    public Tensor Apply(Tensor a, bool transposeA, Tensor b, bool transposeB)
    {
        Device device = CommonDevice(Name, a, b);
        ElementType type = CommonType(Name, a, b);
        if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[transposeA ? 0 : 1] != b.Shape[transposeB ? 1 : 0])
            throw new ShapeException($"MatMul: {a.Shape}{(transposeA ? "ᵀ" : "")} · {b.Shape}{(transposeB ? "ᵀ" : "")} is not a product of two matrices with equal inner sizes.");
        int m = a.Shape[transposeA ? 1 : 0], k = a.Shape[transposeA ? 0 : 1], n = b.Shape[transposeB ? 0 : 1];
        Tensor c = Allocate(device, new Shape(m, n), type, out Storage storage);
        device.MatrixProduct(a.StorageOf(Name), transposeA, b.StorageOf(Name), transposeB, b.Packed, storage, m, n, k);
        return Record(c, new OperationAttributes(I: transposeA ? 1 : 0, J: transposeB ? 1 : 0), a, b);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint;
        bool transposeA = context.Attributes.I == 1, transposeB = context.Attributes.J == 1;
        if (context.Wants(0))
        {
            Tensor b = context.Input(1);
            context.Add(0, transposeA ? Apply(b, transposeB, g, true) : Apply(g, false, b, !transposeB));
        }
        if (context.Wants(1))
        {
            Tensor a = context.Input(0);
            context.Add(1, transposeB ? Apply(g, true, a, transposeA) : Apply(a, !transposeA, g, false));
        }
    }
}
