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

    /// <summary>The device of all operands.</summary>
    /// <exception cref="DeviceMismatchException">They are on different devices.</exception>
    protected Device CommonDevice(Tensor a, Tensor b)
    {
        Device device = a.Device;
        if (!ReferenceEquals(device, b.Device))
            throw new DeviceMismatchException($"{Name}: one operand is on the device '{device}', the other on '{b.Device}'; move one of them.");
        return device;
    }

    /// <summary>The element type of both operands.</summary>
    /// <exception cref="ShapeException">They differ.</exception>
    protected ElementType CommonType(Tensor a, Tensor b)
    {
        if (a.Type != b.Type)
            throw new ShapeException($"{Name}: one operand is {a.Type}, the other {b.Type}; convert one of them with To(...).");
        return a.Type;
    }
}
