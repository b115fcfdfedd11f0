using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// The perplexity of documents: the inverse probability of a word, on average. From lower bounds of log p(x), such as IWAE, it is an upper bound. Two conventions differ in the average and must not be compared: with N_i words
/// in document i of n,
/// <code>
/// per document (Marino et al. 2018, equation 63)   exp(-(1/n) Σ_i log p(x_i) / N_i)
/// of the corpus                                     exp(-Σ_i log p(x_i) / Σ_i N_i)
/// </code>
/// </summary>
/// <param name="PerDocument">The exponential of the average over documents, to which a short document contributes as much as a long one.</param>
/// <param name="PerDocumentError">Its standard error over documents; NaN for a single one.</param>
/// <param name="Corpus">The exponential of the average over words.</param>
/// <param name="CorpusError">Its standard error over documents; NaN for a single one.</param>
public sealed record Perplexity(double PerDocument, double PerDocumentError, double Corpus, double CorpusError)
{
    /// <summary>Which side of the true perplexity it lies on where log p(x) is estimated by lower bounds.</summary>
    public const BoundDirection Direction = BoundDirection.Upper;

    /// <summary>Both perplexities of some documents.</summary>
    /// <param name="logProbabilities">log p(x) of each, or a lower bound, in nats.</param>
    /// <param name="lengths">How many words each has, at least 1.</param>
    /// <exception cref="GapLabException">No documents, another number of lengths than of documents, or a document without words.</exception>
    public static Perplexity Of(IReadOnlyList<double> logProbabilities, IReadOnlyList<double> lengths)
    {
        int n = logProbabilities.Count;
        if (n == 0 || lengths.Count != n || lengths.Any(length => !(length >= 1)))
            throw new GapLabException($"Perplexity needs log-probabilities of at least 1 document and as many lengths of at least 1 word, not {n} and {lengths.Count}.");
        // Deviations of single documents from the two averages; the error of an exponential is the exponential times the error.
        double[] rates = [.. logProbabilities.Zip(lengths, (value, length) => -value / length)];
        double words = lengths.Sum(), perDocument = rates.Average(), perWord = -logProbabilities.Sum() / words;
        double documentSquares = rates.Sum(rate => (rate - perDocument) * (rate - perDocument));
        double corpusSquares = rates.Zip(lengths, (rate, length) => length * (rate - perWord)).Sum(deviation => deviation * deviation);
        return new Perplexity(
            Math.Exp(perDocument),
            Math.Exp(perDocument) * Math.Sqrt(documentSquares / (n - 1.0) / n),
            Math.Exp(perWord),
            Math.Exp(perWord) * Math.Sqrt(corpusSquares * n / (n - 1.0)) / words);
    }
}
