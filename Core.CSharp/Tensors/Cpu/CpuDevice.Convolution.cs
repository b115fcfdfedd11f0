namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Convolution(Storage x, Storage weight, Storage bias, Activation activation, Storage y, in ConvolutionSize size)
    {
        RequireFloat32("Convolution", x, weight, y);
        Cpu.Convolution.Forward((float*)x.Address, (float*)weight.Address, EpilogueOf(bias, activation), (float*)y.Address, size);
    }

    /// <inheritdoc/>
    public override void TransposedConvolution(Storage y, Storage weight, Storage bias, Activation activation, Storage x, in ConvolutionSize size)
    {
        RequireFloat32("TransposedConvolution", y, weight, x);
        Cpu.Convolution.Transposed((float*)y.Address, (float*)weight.Address, EpilogueOf(bias, activation), (float*)x.Address, size);
    }

    /// <inheritdoc/>
    public override void ConvolutionWeightAdjoint(Storage x, Storage g, Storage dWeight, in ConvolutionSize size)
    {
        RequireFloat32("ConvolutionWeightAdjoint", x, g, dWeight);
        Cpu.Convolution.WeightAdjoint((float*)x.Address, (float*)g.Address, (float*)dWeight.Address, size);
    }

    private static Epilogue EpilogueOf(Storage bias, Activation activation) => new(bias.Length == 0 ? null : (float*)bias.Address, activation);
}
