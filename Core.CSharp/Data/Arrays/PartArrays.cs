namespace GapLab.Data.Arrays;

/// <summary>The arrays of a file: the training part, or everything if there are no others, and what is named validation and test.</summary>
/// <param name="Train">The training part, or everything.</param>
/// <param name="Validation">The validation part, if the file names one.</param>
/// <param name="Test">The test part, if the file names one.</param>
internal sealed record PartArrays(NumberArray Train, NumberArray? Validation = null, NumberArray? Test = null)
{
    /// <summary>Those there are, in order.</summary>
    public IEnumerable<NumberArray> All => ((NumberArray?[])[Train, Validation, Test]).OfType<NumberArray>();
}
