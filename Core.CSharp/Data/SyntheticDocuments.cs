using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// Generated documents as bags of words, as topic models imagine them: 20 topics over a vocabulary of 1,000 words, whose frequencies fall with their rank as in Zipf's law and are raised and lowered by
/// each topic, but for the commonest words, which all topics share; a few topics make up most of a document; lengths are ragged, from 20 words to some 2,000 with a median of 60. Each document is a function of (seed, index)
/// alone, so a set may grow without changing the documents it had.
/// </summary>
/// <remarks>
/// Only additions, multiplications, divisions and comparisons are used, in a fixed order, so the documents are the same on every machine. Shares of topics are u^4 / (1.02 - u)^4 of uniform numbers u,
/// normalised: mostly near 0, as in a Dirichlet distribution of small concentration.
/// </remarks>
public static class SyntheticDocuments
{
    /// <summary>Raised whenever the words of a (seed, index) change.</summary>
    public const int Revision = 1;

    /// <summary>How many words there are.</summary>
    public const int VocabularySize = 1000;

    /// <summary>How many topics there are.</summary>
    public const int Topics = 20;

    private const int SharedWords = 20;

    // About the root of the mean square of the factors by which topics raise and lower the other words.
    private const double SharedFactor = 4;

    private const int ShortestLength = 20;
    private const double LengthScale = 40;

    // Keeps these numbers apart from those of glyphs and shapes of the same seed, and topics from documents.
    private const ulong DocumentStream = 2;
    private const ulong TopicStream = 3;

    /// <summary>Makes documents firstIndex .. firstIndex + count - 1; their ids are these indices.</summary>
    /// <param name="seed">Seed of the data set, topics included.</param>
    /// <param name="firstIndex">First index. Range: firstIndex ≥ 0.</param>
    /// <param name="count">How many. Range: count ≥ 0.</param>
    /// <param name="name">Name of the set.</param>
    /// <exception cref="DataException">The range is impossible or too large.</exception>
    public static CountSet Counts(ulong seed, int firstIndex, int count, string name = DataSets.Documents)
    {
        if (firstIndex < 0 || count < 0 || (long)firstIndex + count > int.MaxValue)
            throw new DataException($"{count} documents from number {firstIndex} on cannot be made; ask for 0 or more from number 0 or later.");
        double[][] topics = [.. Enumerable.Range(0, Topics).Select(topic => Cumulative(seed, topic))];
        List<int> starts = [0], words = [], counts = [];
        int[] times = new int[VocabularySize];
        for (int i = 0; i < count; i++)
        {
            Write(new RandomStream(seed, RandomPurpose.Synthetic).Fork(DocumentStream).At(firstIndex + i, 0, 0), topics, times);
            for (int word = 0; word < times.Length; word++)
            {
                if (times[word] == 0)
                    continue;
                words.Add(word);
                counts.Add(times[word]);
            }

            starts.Add(words.Count);
        }

        return new CountSet(name, VocabularySize, [.. starts], [.. words], [.. counts], firstIndex);
    }

    /// <summary>The data set "documents". The documents of a part do not change when the sizes of the parts do.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="train">Number of training documents. Range: train ≥ 0.</param>
    /// <param name="validation">Number of validation documents. Range: validation ≥ 0.</param>
    /// <param name="test">Number of test documents. Range: test ≥ 0.</param>
    /// <exception cref="DataException">A size is negative or too large.</exception>
    public static DataSet Load(ulong seed, int train, int validation, int test)
    {
        string source = $"{DataSets.Documents}(revision={Revision}, seed={seed})";
        DataSplits splits = new(
            Counts(seed, 0, train, $"{DataSets.Documents}/train"),
            Counts(seed, Synthetic.FirstValidationIndex, validation, $"{DataSets.Documents}/validation"),
            Counts(seed, Synthetic.FirstTestIndex, test, $"{DataSets.Documents}/test"),
            [
                new SplitRange("train", source, 0, train),
                new SplitRange("validation", source, Synthetic.FirstValidationIndex, validation),
                new SplitRange("test", source, Synthetic.FirstTestIndex, test),
            ]);
        return new DataSet(DataSets.Documents, splits, new Binarization.None(), []);
    }

    // Sums of the words' frequencies in a topic up to each word.
    private static double[] Cumulative(ulong seed, int topic)
    {
        float[] u = new float[VocabularySize];
        new RandomStream(seed, RandomPurpose.Synthetic).Fork(TopicStream).At(topic, 0, 0).FillUniform(u);
        double[] sums = new double[VocabularySize];
        double sum = 0;
        for (int word = 0; word < sums.Length; word++)
        {
            double factor = word < SharedWords ? SharedFactor : u[word] / (1.05 - u[word]);
            sum += factor * factor / (word + 3);
            sums[word] = sum;
        }

        return sums;
    }

    private static void Write(RandomStream stream, double[][] topics, int[] times)
    {
        Span<float> own = stackalloc float[Topics + 1];
        stream.FillUniform(own);
        Span<double> shares = stackalloc double[Topics];
        double sum = 0;
        for (int topic = 0; topic < Topics; topic++)
        {
            double ratio = own[topic] / (1.02 - own[topic]);
            sum += ratio * ratio * ratio * ratio;
            shares[topic] = sum;
        }

        int length = ShortestLength + (int)(LengthScale * own[Topics] / (1.02 - own[Topics]));
        float[] draws = new float[2 * length];
        stream.FillUniform(draws, own.Length);
        times.AsSpan().Clear();
        for (int i = 0; i < length; i++)
        {
            int topic = Choose(shares, draws[2 * i]);
            times[Choose(topics[topic], draws[(2 * i) + 1])]++;
        }
    }

    // The first place whose sum exceeds u times the last.
    private static int Choose(ReadOnlySpan<double> sums, float u)
    {
        double target = u * sums[^1];
        int first = 0, last = sums.Length - 1;
        while (first < last)
        {
            int middle = (first + last) / 2;
            if (sums[middle] > target)
                last = middle;
            else
                first = middle + 1;
        }

        return first;
    }
}
