namespace GapLab.Tensors;

/// <summary>Thrown when one operation is given tensors of two devices.</summary>
/// <param name="message">The operation and the devices.</param>
public sealed class DeviceMismatchException(string message) : GapLabException(message);
