using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>Y[..., n] = activation(X[..., k] · W[n, k]ᵀ + b[n]), in one pass.</summary>
internal sealed class LinearOperation : Operation
{
    public static readonly LinearOperation Instance = new();

    public override string Name => "Linear";

    public Tensor Apply(Tensor x, Tensor weight, Tensor bias, Activation activation)
    {
        Device device = CommonDevice(Name, x, weight);
        CommonDevice(Name, weight, bias);
        CommonType(Name, x, weight);
        CommonType(Name, weight, bias);
        if (x.Shape.Rank == 0 || weight.Shape.Rank != 2 || bias.Shape.Rank != 1 || x.Shape[-1] != weight.Shape[1] || bias.Shape[0] != weight.Shape[0])
            throw new ShapeException($"Linear: an input of shape {x.Shape} does not fit weights {weight.Shape} (out, in) and biases {bias.Shape}.");
        int n = weight.Shape[0], k = weight.Shape[1], m = x.Shape.Leading.Count;
        Tensor y = Allocate(device, x.Shape.With(-1, n), x.Type, out Storage storage);
        device.Linear(x.StorageOf(Name), weight.StorageOf(Name), weight.Packed, bias.StorageOf(Name), activation, storage, m, n, k);
        return Record(y, new OperationAttributes(I: (int)activation), x, weight, bias);
    }

    public override void PullBack(ref PullBackContext context)
    {
        var activation = (Activation)context.Attributes.I;
        Shape inputShape = context.InputShape(0);
        int n = context.Output.Shape[-1], m = inputShape.Leading.Count;
        Tensor g = activation == Activation.Identity
            ? context.Adjoint
            : ActivationAdjointOperation.Instance.Apply(activation, context.Output, context.Adjoint);
        g = g.Reshape(m, n);
        if (context.Wants(0))
            context.Add(0, g.MatMul(context.Input(1)).Reshape(inputShape));
        if (context.Wants(1))
            context.Add(1, g.MatMul(context.Input(0).Reshape(m, inputShape[-1]), transposeThis: true));
        if (context.Wants(2))
            context.Add(2, g.Sum(0));
    }
}
