using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y = f(x), elementwise.</summary>
internal sealed class UnaryOperation : Operation
{
    public static readonly UnaryOperation Instance = new();

    public override string Name => "Unary";

    public override string NameOf(OperationAttributes attributes) => ((UnaryFunction)attributes.I).ToString();

    public Tensor Apply(UnaryFunction f, Tensor x)
    {
        RequireAlive(f.ToString(), x);
        Tensor y = Allocate(x.Device, x.Shape, x.Type, out Storage storage);
        x.Device.Unary(f, x.StorageOf(Name), storage);
        return Record(y, new OperationAttributes(I: (int)f), x);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint;
        switch ((UnaryFunction)context.Attributes.I)
        {
            case UnaryFunction.Negate: context.Add(0, -g); break;
            case UnaryFunction.Exp: context.Add(0, g * context.Output); break;
            case UnaryFunction.Log: context.Add(0, g / context.Input(0)); break;
            case UnaryFunction.Sqrt: context.Add(0, g / (2 * context.Output)); break;
            case UnaryFunction.Square: context.Add(0, g * (2 * context.Input(0))); break;
            case UnaryFunction.Reciprocal: context.Add(0, -(g * context.Output.Square())); break;
            case UnaryFunction.Softplus: context.Add(0, g * context.Input(0).Sigmoid()); break;
            case UnaryFunction.Sigmoid: context.Add(0, ActivationAdjointOperation.Instance.Apply(Activation.Sigmoid, context.Output, g)); break;
            case UnaryFunction.Tanh: context.Add(0, ActivationAdjointOperation.Instance.Apply(Activation.Tanh, context.Output, g)); break;
            case UnaryFunction.Elu: context.Add(0, ActivationAdjointOperation.Instance.Apply(Activation.Elu, context.Output, g)); break;
            case UnaryFunction.Relu: context.Add(0, ActivationAdjointOperation.Instance.Apply(Activation.Relu, context.Output, g)); break;
            case UnaryFunction.NegativePart: context.Add(0, g * context.Input(0).IsNegative()); break;
            case UnaryFunction.IsNegative: break;
            case UnaryFunction.Finite: context.Add(0, g); break;
            default: throw new InvalidOperationException($"No derivative of {(UnaryFunction)context.Attributes.I}.");
        }
    }
}
