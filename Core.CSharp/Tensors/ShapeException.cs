namespace GapLab.Tensors;

/// <summary>Thrown when the shapes or element types of the operands do not fit the operation. Names both.</summary>
/// <param name="message">The operation and the shapes it was given.</param>
public sealed class ShapeException(string message) : GapLabException(message);
