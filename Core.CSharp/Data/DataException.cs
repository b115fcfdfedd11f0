using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// A data set or data file that cannot be used. The message is one sentence that names the file or data set, says what is
/// wrong and where (line, or byte offset in the unpacked data), and what to do about it.
/// </summary>
public sealed class DataException : GapLabException
{
    /// <summary>An error described by one sentence.</summary>
    /// <param name="message">What is wrong, where, and what to do.</param>
    public DataException(string message)
        : base(message)
    {
    }

    /// <summary>An error described by one sentence, with the exception that led to it.</summary>
    /// <param name="message">What is wrong, where, and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public DataException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
