namespace GapLab.Tensors;

/// <summary>
/// Thrown when a tensor is used after its memory scope has ended, when scopes are left out of order, or when a tensor that was
/// changed after it was recorded on the tape is needed for a gradient.
/// </summary>
/// <param name="message">The operation, and what it found.</param>
public sealed class ScopeException(string message) : GapLabException(message);
