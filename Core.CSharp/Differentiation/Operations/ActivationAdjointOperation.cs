using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>d = g · activation'(x), computed from the output y = activation(x).</summary>
internal sealed class ActivationAdjointOperation : Operation
{
    public static readonly ActivationAdjointOperation Instance = new();

    public override string Name => "ActivationAdjoint";

    public Tensor Apply(Activation activation, Tensor y, Tensor g)
    {
        Tensor d = Allocate(y.Device, y.Shape, y.Type, out Storage storage);
        y.Device.ActivationAdjoint(activation, y.StorageOf(Name), g.StorageOf(Name), storage);
        return Record(d, new OperationAttributes(I: (int)activation), y, g);
    }

    public override void PullBack(ref PullBackContext context)
    {
        var activation = (Activation)context.Attributes.I;
        Tensor h = context.Adjoint;
        // The derivative of ReLU is constant on both sides of its kink, that of the identity everywhere.
        if (context.Wants(0) && activation is not (Activation.Relu or Activation.Identity))
        {
            Tensor y = context.Input(0);
            // d activation'(y) / dy of 1 + min(y, 0), 1 - y² and y (1 - y).
            Tensor slope = activation switch
            {
                Activation.Elu => y.IsNegative(),
                Activation.Tanh => -2 * y,
                _ => 1 - 2 * y,
            };
            context.Add(0, h * context.Input(1) * slope);
        }
        if (context.Wants(1))
            context.Add(1, Apply(activation, context.Input(0), h));
    }
}
