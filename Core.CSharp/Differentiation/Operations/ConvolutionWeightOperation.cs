using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>w[o, u, v, c] = Σ_{b, i, j} y[b, i, j, o] x[b, i · stride + u - top, j · stride + v - left, c]: linear in x and in y, and the adjoint of a convolution in its kernels.</summary>
internal sealed class ConvolutionWeightOperation : Operation
{
    public static readonly ConvolutionWeightOperation Instance = new();

    public override string Name => "ConvolutionWeightAdjoint";

    public Tensor Apply(Tensor x, Tensor y, int stride, int top, int left, int height, int width)
    {
        Device device = CommonDevice(Name, x, y);
        ElementType type = CommonType(Name, x, y);
        var size = new ConvolutionSize(x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], height, width, y.Shape[1], y.Shape[2], y.Shape[3], stride, top, left);
        Tensor w = Allocate(device, new Shape(y.Shape[3], height, width, x.Shape[3]), type, out Storage storage);
        device.ConvolutionWeightAdjoint(x.StorageOf(Name), y.StorageOf(Name), storage, size);
        return Record(w, new OperationAttributes(top, left, J: stride), x, y);
    }

    public override void PullBack(ref PullBackContext context)
    {
        (double top, double left, _, int stride, _) = context.Attributes;
        Tensor h = context.Adjoint;
        Shape x = context.InputShape(0), y = context.InputShape(1);
        if (context.Wants(0))
            context.Add(0, TransposedConvolutionOperation.Instance.Apply(context.Input(1), h, default, stride, (int)top, (int)left, x[1], x[2], Activation.Identity));
        if (context.Wants(1))
            context.Add(1, ConvolutionOperation.Instance.Apply(context.Input(0), h, default, stride, (int)top, (int)left, y[1], y[2], Activation.Identity));
    }
}
