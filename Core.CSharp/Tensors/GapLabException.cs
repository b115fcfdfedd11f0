namespace GapLab.Tensors;

/// <summary>
/// The base of every error that GapLab itself reports. The message is one sentence that says what is wrong, where, and
/// what to do about it; command lines print it alone, without a stack trace, and end with exit code 1.
/// </summary>
public class GapLabException : Exception
{
    /// <summary>An error described by one sentence.</summary>
    /// <param name="message">What is wrong, where, and what to do.</param>
    public GapLabException(string message) : base(message) { }

    /// <summary>An error described by one sentence, with the exception that led to it.</summary>
    /// <param name="message">What is wrong, where, and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public GapLabException(string message, Exception innerException) : base(message, innerException) { }
}
