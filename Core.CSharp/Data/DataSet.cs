using GapLab.Data.Text;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>A data set ready for use: its parts, the way its pixels are meant to be binarized, and what provenance needs to record.</summary>
public sealed class DataSet
{
    private readonly Lazy<double[]> _pixelMeans;
    private readonly Lazy<double[]> _wordWeights;

    /// <summary>Puts a data set together.</summary>
    /// <param name="name">Short name, for example "mnist".</param>
    /// <param name="splits">The parts.</param>
    /// <param name="defaultBinarization">Used unless an experiment asks for another.</param>
    /// <param name="files">Files that were read, with checksums; empty for generated data.</param>
    /// <param name="citation">What to cite; empty for generated data.</param>
    /// <param name="licence">Licence of the data; empty for generated data.</param>
    /// <param name="note">What else must be known of the data, as the end of a sentence; empty for nothing.</param>
    /// <param name="vocabulary">The words of documents and sentences, in the order of their numbers; null where they are not known or there are none.</param>
    public DataSet(
        string name, DataSplits splits, Binarization defaultBinarization, IReadOnlyList<LoadedFile> files, string citation = "", string licence = "", string note = "",
        IReadOnlyList<string>? vocabulary = null)
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
        Note = note;
        Vocabulary = vocabulary ?? [];
        _pixelMeans = new Lazy<double[]>(() => defaultBinarization.Means(splits.Train));
        _wordWeights = new Lazy<double[]>(() => ((CountSet)splits.Train).InverseDocumentFrequencies());
    }

    /// <summary>Short name, for example "mnist".</summary>
    public string Name { get; }

    /// <summary>The parts, with the origin of each.</summary>
    public DataSplits Splits { get; }

    /// <summary>Numbers per datapoint.</summary>
    public int PixelCount => Splits.Train.PixelCount;

    /// <summary>Images to fit models to.</summary>
    /// <exception cref="DataException">The data set holds real numbers; use <see cref="Source"/>, which serves both.</exception>
    public ImageSet Train => Images(DataSplit.Train);

    /// <summary>Images for early stopping and choices; may be empty.</summary>
    /// <exception cref="DataException">The data set holds real numbers; use <see cref="Source"/>, which serves both.</exception>
    public ImageSet Validation => Images(DataSplit.Validation);

    /// <summary>Images for the numbers that are reported.</summary>
    /// <exception cref="DataException">The data set holds real numbers; use <see cref="Source"/>, which serves both.</exception>
    public ImageSet Test => Images(DataSplit.Test);

    /// <summary>Used unless an experiment asks for another.</summary>
    public Binarization DefaultBinarization { get; }

    /// <summary>Files that were read, with the checksums of their unpacked bytes; empty for generated data.</summary>
    public IReadOnlyList<LoadedFile> Files { get; }

    /// <summary>What to cite; empty for generated data.</summary>
    public string Citation { get; }

    /// <summary>Licence of the data; empty for generated data.</summary>
    public string Licence { get; }

    /// <summary>What else must be known of the data, such as that they are a part of the published ones; empty for nothing.</summary>
    public string Note { get; }

    /// <summary>The words of documents and sentences, in the order of their numbers; empty where they are not known or there are none.</summary>
    public IReadOnlyList<string> Vocabulary { get; }

    /// <summary>Whether the datapoints are documents, given by how often they have each word.</summary>
    public bool HasCounts => Splits.Train is CountSet;

    /// <summary>Whether the datapoints are sentences.</summary>
    public bool HasSentences => Splits.Train is SentenceSet;

    /// <summary>Expected value of each pixel of the training images under <see cref="DefaultBinarization"/>, [PixelCount] in 0..1; computed on first use.</summary>
    /// <exception cref="DataException">The training part is empty.</exception>
    public ReadOnlySpan<double> PixelMeans => _pixelMeans.Value;

    /// <summary>Whether every number of a batch is 0 or 1 under <see cref="DefaultBinarization"/>: of others a Bernoulli model has no probabilities.</summary>
    public bool SuitsBernoulli => DefaultBinarization is not (Binarization.None or Binarization.Dequantized) || Parts.All(part => part.IsBinary);

    /// <summary>Whether every number of a batch is one of the 256 levels k / 255, as a discretised logistic model needs.</summary>
    public bool HasLevels => DefaultBinarization is Binarization.None && Parts.All(part => part is ImageSet);

    /// <summary>One line for provenance: name, index ranges of the parts, default binarization, and what else must be known.</summary>
    public string Provenance =>
        $"{Name}: {string.Join(", ", Splits.Ranges)}; {(HasCounts ? "counts of words" : HasSentences ? "sentences" : $"binarization {DefaultBinarization.Description}")}{(Note.Length == 0 ? "" : $"; {Note}")}";

    private DataPart[] Parts => [Splits.Train, Splits.Validation, Splits.Test];

    /// <summary>The same data under another binarization by default.</summary>
    /// <param name="binarization">The binarization.</param>
    public DataSet With(Binarization binarization) => new(Name, Splits, binarization, Files, Citation, Licence, Note, Vocabulary);

    /// <summary>The batches of a part, whatever it holds; documents with the inverse document frequencies of all training documents.</summary>
    /// <param name="split">Which part.</param>
    /// <param name="device">Where the batches go.</param>
    /// <param name="count">How many of its datapoints at most; null for all. Fewer are drawn at random, the same ones every time, since files may be sorted.</param>
    /// <param name="binarization">How intensities become zeros and ones; null for <see cref="DefaultBinarization"/>.</param>
    /// <exception cref="DataException">The count is not positive.</exception>
    public ObservationSource Source(DataSplit split, Device device, int? count = null, Binarization? binarization = null)
    {
        DataPart part = Splits[split];
        if (count < 1)
            throw new DataException($"{count} datapoints of '{part.Name}' are not enough; ask for at least 1.");
        if (count < part.Count)
        {
            int[] order = [.. Enumerable.Range(0, part.Count)];
            new RandomStream(0, RandomPurpose.Split).Shuffle(order);
            part = part.Choose(order.AsSpan(0, count.Value));
        }

        return part switch
        {
            CountSet documents => new CountSource(device, documents, _wordWeights.Value),
            SentenceSet sentences => new SentenceSource(device, sentences),
            _ => new ImageSource(device, part, binarization ?? DefaultBinarization),
        };
    }

    private ImageSet Images(DataSplit split) => Splits[split] as ImageSet
        ?? throw new DataException($"'{Splits[split].Name}' holds real numbers where images of bytes are needed; save it as unsigned bytes from 0 to 255.");
}
