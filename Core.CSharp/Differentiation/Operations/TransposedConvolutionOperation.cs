using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>x = activation(wᵀ * y + b), the transposed of the convolution that <see cref="ConvolutionSize"/> defines.</summary>
internal sealed class TransposedConvolutionOperation : Operation
{
    public static readonly TransposedConvolutionOperation Instance = new();

    public override string Name => "ConvTranspose2d";

    /// <summary>The transposed convolution with a given padding on all four sides, and rows and columns added below and to the right.</summary>
    public Tensor Apply(Tensor y, Tensor weight, Tensor bias, int stride, Padding padding, int outputPadding, Activation activation)
    {
        RequireAlive(Name, y);
        RequireAlive(Name, weight);
        if (y.Shape.Rank != 4 || weight.Shape.Rank != 4 || y.Shape[3] != weight.Shape[0])
            throw new ShapeException($"{Name}: images of shape {y.Shape} (datapoints, height, width, channels) do not fit kernels of shape {weight.Shape} (inputs, height, width, channels).");
        if (stride < 1 || outputPadding < 0 || outputPadding >= stride)
            throw new ShapeException($"{Name}: a stride of {stride} with an output padding of {outputPadding}; the stride must be at least 1 and the output padding from 0 to below the stride.");
        int height = (y.Shape[1] - 1) * stride + weight.Shape[1] - padding.Top - padding.Bottom + outputPadding;
        int width = (y.Shape[2] - 1) * stride + weight.Shape[2] - padding.Left - padding.Right + outputPadding;
        if (weight.Shape[1] < 1 || weight.Shape[2] < 1 || y.Shape[1] < 1 || y.Shape[2] < 1 || height < 1 || width < 1)
            throw new ShapeException($"{Name}: images of {y.Shape[1]} x {y.Shape[2]} pixels, kernels of {weight.Shape[1]} x {weight.Shape[2]}, stride {stride} and padding {padding} leave {height} x {width} pixels; pad less.");
        return Apply(y, weight, bias, stride, padding.Top, padding.Left, height, width, activation);
    }

    /// <summary>The transposed convolution with a given size of x.</summary>
    public Tensor Apply(Tensor y, Tensor weight, Tensor bias, int stride, int top, int left, int height, int width, Activation activation)
    {
        Device device = CommonDevice(Name, y, weight);
        ElementType type = CommonType(Name, y, weight);
        Storage added = ConvolutionOperation.BiasOf(Name, bias, weight, weight.Shape[3]);
        var size = new ConvolutionSize(y.Shape[0], height, width, weight.Shape[3], weight.Shape[1], weight.Shape[2], y.Shape[1], y.Shape[2], y.Shape[3], stride, top, left);
        Tensor x = Allocate(device, new Shape(y.Shape[0], height, width, weight.Shape[3]), type, out Storage storage);
        device.TransposedConvolution(y.StorageOf(Name), weight.StorageOf(Name), added, activation, storage, size);
        var attributes = new OperationAttributes(top, left, (int)activation, stride);
        return bias.IsDefined ? Record(x, attributes, y, weight, bias) : Record(x, attributes, y, weight);
    }

    public override void PullBack(ref PullBackContext context)
    {
        (double top, double left, int activation, int stride, _) = context.Attributes;
        Tensor g = ConvolutionOperation.ThroughActivation(context, (Activation)activation);
        Shape y = context.InputShape(0), weight = context.InputShape(1);
        if (context.Wants(0))
            context.Add(0, ConvolutionOperation.Instance.Apply(g, context.Input(1), default, stride, (int)top, (int)left, y[1], y[2], Activation.Identity));
        if (context.Wants(1))
            context.Add(1, ConvolutionWeightOperation.Instance.Apply(g, context.Input(0), stride, (int)top, (int)left, weight[1], weight[2]));
        ConvolutionOperation.AddToBias(context, g);
    }
}
