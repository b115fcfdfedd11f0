namespace GapLab.Tensors.Cpu;

/// <summary>A weight matrix W [outputs, inputs] packed twice: for X · Wᵀ, a layer's output, and for G · W, the gradient with respect to its input.</summary>
internal sealed unsafe class CpuPackedWeight : PackedWeight
{
    private readonly PackedMatrix _plain;
    private readonly PackedMatrix _transposed;

    public CpuPackedWeight(float* weight, int outputs, int inputs)
    {
        _plain = new PackedMatrix(outputs, inputs, weight, inputs, transB: false);
        _transposed = new PackedMatrix(inputs, outputs, weight, inputs, transB: true);
    }

    /// <summary>Packs other weights of the same sizes into the same memory.</summary>
    public void Fill(float* weight)
    {
        _plain.Fill(weight, _plain.Columns, transB: false);
        _transposed.Fill(weight, _plain.Columns, transB: true);
    }

    /// <summary>The right factor W, or Wᵀ.</summary>
    public PackedMatrix Operand(bool transposed) => transposed ? _transposed : _plain;
}
