namespace GapLab.Data;

/// <summary>A data set ready for use: its parts, the way its pixels are meant to be binarized, and what provenance needs to record.</summary>
public sealed class DataSet
{
    private readonly Lazy<double[]> _pixelMeans;

    /// <summary>Puts a data set together.</summary>
    /// <param name="name">Short name, for example "mnist".</param>
    /// <param name="splits">The parts.</param>
    /// <param name="defaultBinarization">Used unless an experiment asks for another.</param>
    /// <param name="files">Files that were read, with checksums; empty for generated data.</param>
    /// <param name="citation">What to cite; empty for generated data.</param>
    /// <param name="licence">Licence of the data; empty for generated data.</param>
    public DataSet(
        string name, DataSplits splits, Binarization defaultBinarization, IReadOnlyList<LoadedFile> files, string citation = "", string licence = "")
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(splits);
        ArgumentNullException.ThrowIfNull(defaultBinarization);
        ArgumentNullException.ThrowIfNull(files);
        Name = name;
        Splits = splits;
        DefaultBinarization = defaultBinarization;
        Files = files;
        Citation = citation;
        Licence = licence;
        _pixelMeans = new Lazy<double[]>(() => defaultBinarization.Means(splits.Train));
    }

    /// <summary>Short name, for example "mnist".</summary>
    public string Name { get; }

    /// <summary>The parts, with the origin of each.</summary>
    public DataSplits Splits { get; }

    /// <summary>Images to fit models to.</summary>
    public ImageSet Train => Splits.Train;

    /// <summary>Images for early stopping and choices; may be empty.</summary>
    public ImageSet Validation => Splits.Validation;

    /// <summary>Images for the numbers that are reported.</summary>
    public ImageSet Test => Splits.Test;

    /// <summary>Used unless an experiment asks for another.</summary>
    public Binarization DefaultBinarization { get; }

    /// <summary>Files that were read, with the checksums of their unpacked bytes; empty for generated data.</summary>
    public IReadOnlyList<LoadedFile> Files { get; }

    /// <summary>What to cite; empty for generated data.</summary>
    public string Citation { get; }

    /// <summary>Licence of the data; empty for generated data.</summary>
    public string Licence { get; }

    /// <summary>Expected value of each pixel of the training images under <see cref="DefaultBinarization"/>, [PixelCount] in 0..1; computed on first use.</summary>
    /// <exception cref="DataException">The training part is empty.</exception>
    public ReadOnlySpan<double> PixelMeans => _pixelMeans.Value;

    /// <summary>One line for provenance: name, index ranges of the parts, default binarization.</summary>
    public string Provenance => $"{Name}: {string.Join(", ", Splits.Ranges)}; binarization {DefaultBinarization.Description}";
}
