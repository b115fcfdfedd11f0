using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// A differentiable operation. Its adjoint is written in tensor operations, so that it can be differentiated again; where that is
/// not asked for, fused kernels may compute the same.
/// </summary>
internal abstract class Operation
{
    /// <summary>The name that error messages use.</summary>
    public abstract string Name { get; }

    /// <summary>The name of one recorded use of the operation, for error messages: which function it was.</summary>
    public virtual string NameOf(OperationAttributes attributes) => Name;

    /// <summary>Adds to the adjoints of the wanted inputs what the adjoint of the output contributes.</summary>
    public abstract void PullBack(ref PullBackContext context);

    /// <summary>A new tensor in the current scope, still without contents.</summary>
    protected static Tensor Allocate(Device device, Shape shape, ElementType type, out Storage storage) =>
        MemoryScope.Allocate(device, shape, type, out storage);

    /// <summary>Records that <paramref name="output"/> was computed by this operation from the inputs.</summary>
    protected Tensor Record(Tensor output, OperationAttributes attributes, params ReadOnlySpan<Tensor> inputs)
    {
        MemoryScope.Record(output, this, attributes, inputs);
        return output;
    }

    /// <summary>Checks that an operand can still be used, under the operation's name.</summary>
    /// <exception cref="ScopeException">Its scope has ended, or it is undefined.</exception>
    protected static void RequireAlive(string name, Tensor tensor) => _ = tensor.StorageOf(name);

    /// <summary>The device of both operands.</summary>
    /// <exception cref="DeviceMismatchException">They are on different devices.</exception>
    protected static Device CommonDevice(string name, Tensor a, Tensor b)
    {
        RequireAlive(name, a);
        RequireAlive(name, b);
        Device device = a.Device;
        if (!ReferenceEquals(device, b.Device))
            throw new DeviceMismatchException($"{name}: one operand is on the device '{device}', the other on '{b.Device}'; move one of them.");
        return device;
    }

    /// <summary>The element type of both operands.</summary>
    /// <exception cref="ShapeException">They differ.</exception>
    protected static ElementType CommonType(string name, Tensor a, Tensor b)
    {
        if (a.Type != b.Type)
            throw new ShapeException($"{name}: one operand is {a.Type}, the other {b.Type}; convert one of them with To(...).");
        return a.Type;
    }
}
