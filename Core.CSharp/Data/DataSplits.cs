namespace GapLab.Data;

/// <summary>The three parts of a data set and where each image of them comes from.</summary>
public sealed class DataSplits
{
    /// <summary>Puts the parts together.</summary>
    /// <param name="train">Images to fit models to.</param>
    /// <param name="validation">Images for early stopping and choices; may be empty.</param>
    /// <param name="test">Images for the numbers that are reported.</param>
    /// <param name="ranges">Origin of each part, in order.</param>
    /// <exception cref="DataException">The parts' images differ in size.</exception>
    public DataSplits(ImageSet train, ImageSet validation, ImageSet test, IReadOnlyList<SplitRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(validation);
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(ranges);
        foreach (ImageSet part in (ReadOnlySpan<ImageSet>)[validation, test])
        {
            if (part.Height != train.Height || part.Width != train.Width)
            {
                throw new DataException(
                    $"'{part.Name}' has {part.Height}x{part.Width} images and '{train.Name}' {train.Height}x{train.Width}; the parts of a data set must have one size.");
            }
        }

        Train = train;
        Validation = validation;
        Test = test;
        Ranges = ranges;
    }

    /// <summary>Images to fit models to.</summary>
    public ImageSet Train { get; }

    /// <summary>Images for early stopping and choices; empty when all training images are trained on.</summary>
    public ImageSet Validation { get; }

    /// <summary>Images for the numbers that are reported.</summary>
    public ImageSet Test { get; }

    /// <summary>Origin of each part, in order; a part made of two files has two entries.</summary>
    public IReadOnlyList<SplitRange> Ranges { get; }
}
