using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y = activation(x * w + b), the convolution that <see cref="ConvolutionSize"/> defines.</summary>
internal sealed class ConvolutionOperation : Operation
{
    public static readonly ConvolutionOperation Instance = new();

    public override string Name => "Conv2d";

    /// <summary>The convolution with a given padding on all four sides.</summary>
    public Tensor Apply(Tensor x, Tensor weight, Tensor bias, int stride, Padding padding, Activation activation)
    {
        RequireAlive(Name, x);
        RequireAlive(Name, weight);
        if (x.Shape.Rank != 4 || weight.Shape.Rank != 4 || x.Shape[3] != weight.Shape[3])
            throw new ShapeException($"{Name}: images of shape {x.Shape} (datapoints, height, width, channels) do not fit kernels of shape {weight.Shape} (outputs, height, width, channels).");
        if (stride < 1)
            throw new ShapeException($"{Name}: the stride is {stride}; it must be at least 1.");
        (int height, int width) = (weight.Shape[1], weight.Shape[2]);
        int free = x.Shape[1] + padding.Top + padding.Bottom - height, across = x.Shape[2] + padding.Left + padding.Right - width;
        if (height < 1 || width < 1 || free < 0 || across < 0)
            throw new ShapeException($"{Name}: kernels of {height} x {width} pixels do not fit into images of {x.Shape[1]} x {x.Shape[2]} with padding {padding}; pad more or take smaller kernels.");
        return Apply(x, weight, bias, stride, padding.Top, padding.Left, free / stride + 1, across / stride + 1, activation);
    }

    /// <summary>The convolution with a given size of y.</summary>
    public Tensor Apply(Tensor x, Tensor weight, Tensor bias, int stride, int top, int left, int height, int width, Activation activation)
    {
        Device device = CommonDevice(Name, x, weight);
        ElementType type = CommonType(Name, x, weight);
        Storage added = BiasOf(Name, bias, weight, weight.Shape[0]);
        var size = new ConvolutionSize(x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], weight.Shape[1], weight.Shape[2], height, width, weight.Shape[0], stride, top, left);
        Tensor y = Allocate(device, new Shape(x.Shape[0], height, width, weight.Shape[0]), type, out Storage storage);
        device.Convolution(x.StorageOf(Name), weight.StorageOf(Name), added, activation, storage, size);
        var attributes = new OperationAttributes(top, left, (int)activation, stride);
        return bias.IsDefined ? Record(y, attributes, x, weight, bias) : Record(y, attributes, x, weight);
    }

    public override void PullBack(ref PullBackContext context)
    {
        (double top, double left, int activation, int stride, _) = context.Attributes;
        Tensor g = ThroughActivation(context, (Activation)activation);
        Shape x = context.InputShape(0), weight = context.InputShape(1);
        if (context.Wants(0))
            context.Add(0, TransposedConvolutionOperation.Instance.Apply(g, context.Input(1), default, stride, (int)top, (int)left, x[1], x[2], Activation.Identity));
        if (context.Wants(1))
            context.Add(1, ConvolutionWeightOperation.Instance.Apply(context.Input(0), g, stride, (int)top, (int)left, weight[1], weight[2]));
        AddToBias(context, g);
    }

    /// <summary>The bias's numbers; none for an undefined tensor.</summary>
    internal static Storage BiasOf(string name, Tensor bias, Tensor weight, int channels)
    {
        if (!bias.IsDefined)
            return default;
        CommonDevice(name, weight, bias);
        CommonType(name, weight, bias);
        if (bias.Shape != new Shape(channels))
            throw new ShapeException($"{name}: biases of shape {bias.Shape} do not fit kernels of shape {weight.Shape}, which give {channels} channels.");
        return bias.StorageOf(name);
    }

    /// <summary>The adjoint before the activation.</summary>
    internal static Tensor ThroughActivation(in PullBackContext context, Activation activation) => activation == Activation.Identity
        ? context.Adjoint
        : ActivationAdjointOperation.Instance.Apply(activation, context.Output, context.Adjoint);

    /// <summary>The sum over all pixels as the adjoint of the third input, the bias, if there is one.</summary>
    internal static void AddToBias(in PullBackContext context, Tensor g)
    {
        if (context.InputCount > 2 && context.Wants(2))
            context.Add(2, g.Reshape(g.Shape.Leading.Count, g.Shape[3]).Sum(0));
    }
}
