using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>z = f(x, y), elementwise with broadcasting.</summary>
internal sealed class BinaryOperation : Operation
{
    public static readonly BinaryOperation Instance = new();

    public override string Name => "Binary";

    public override string NameOf(OperationAttributes attributes) => ((BinaryFunction)attributes.I).ToString();

    public Tensor Apply(BinaryFunction f, Tensor x, Tensor y)
    {
        string name = f.ToString();
        Device device = CommonDevice(name, x, y);
        ElementType type = CommonType(name, x, y);
        Shape shape = Shape.Broadcast(name, x.Shape, y.Shape);
        Tensor z = Allocate(device, shape, type, out Storage storage);
        device.Binary(f, x.StorageOf(name), x.Shape, y.StorageOf(name), y.Shape, storage, shape);
        return Record(z, new OperationAttributes(I: (int)f), x, y);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint;
        var f = (BinaryFunction)context.Attributes.I;
        if (context.Wants(0))
            context.Add(0, (f switch
            {
                BinaryFunction.Multiply => g * context.Input(1),
                BinaryFunction.Divide => g / context.Input(1),
                _ => g,
            }).SumTo(context.InputShape(0)));
        if (context.Wants(1))
            context.Add(1, (f switch
            {
                BinaryFunction.Subtract => -g,
                BinaryFunction.Multiply => g * context.Input(0),
                BinaryFunction.Divide => -(g * context.Output / context.Input(1)),
                _ => g,
            }).SumTo(context.InputShape(1)));
    }
}
