namespace GapLab.Data;

/// <summary>
/// An immutable list of documents as bags of words: for each, the words that it has and how often. Only words that occur are stored, 8 bytes for each word of a document; batches are made dense
/// by <see cref="CountSource"/>. As a <see cref="DataPart"/>, a document is a vector of one number for each word of the vocabulary.
/// </summary>
public sealed class CountSet : DataPart
{
    private readonly int[] _starts;
    private readonly int[] _words;
    private readonly int[] _counts;

    /// <summary>Wraps counts without copying them; the caller must not change them afterwards.</summary>
    /// <param name="name">What the documents are, used in messages.</param>
    /// <param name="vocabularySize">How many words there are. Range: vocabularySize ≥ 1.</param>
    /// <param name="starts">[N + 1], where in the other two arrays each document begins, and where the last one ends.</param>
    /// <param name="words">The words that occur, from 0, each once in a document, in any order.</param>
    /// <param name="counts">How often. Range: ≥ 1.</param>
    /// <param name="firstId">The id of the first document; the others count on from it. Range: firstId ≥ 0.</param>
    /// <exception cref="DataException">A number is out of its range, or a word occurs twice in a document.</exception>
    public CountSet(string name, int vocabularySize, int[] starts, int[] words, int[] counts, int firstId = 0)
        : this(name, vocabularySize, starts, words, counts, firstId, null)
    {
        int[] lastDocument = new int[vocabularySize];
        if (starts is not [0, ..] || starts[^1] != words.Length || counts.Length != words.Length)
            throw new DataException($"The documents of '{name}' do not fill its {words.Length} words and {counts.Length} counts; give as many, and where each document begins.");
        for (int document = 0; document < Count; document++)
        {
            if (starts[document] > starts[document + 1])
                throw new DataException($"Document {document} (from 0) of '{name}' ends before it begins; give ascending starts.");
            for (int i = starts[document]; i < starts[document + 1]; i++)
            {
                if ((uint)words[i] >= (uint)vocabularySize || counts[i] < 1 || lastDocument[words[i]] == document + 1)
                {
                    throw new DataException(
                        $"Document {document} (from 0) of '{name}' has word {words[i]} {counts[i]} times, or again; give each of the words 0 to {vocabularySize - 1} that occur once, with a count of at least 1.");
                }

                lastDocument[words[i]] = document + 1;
            }
        }
    }

    private CountSet(string name, int vocabularySize, int[] starts, int[] words, int[] counts, int firstId, int[]? ids)
        : base(name, 1, vocabularySize, 1, (starts.Length - 1L) * vocabularySize, firstId, ids)
    {
        _starts = starts;
        _words = words;
        _counts = counts;
    }

    /// <summary>How many words there are.</summary>
    public int VocabularySize => Width;

    /// <summary>Never: counts are no pixels.</summary>
    public override bool IsBinary => false;

    /// <summary>Never: counts are no probabilities.</summary>
    public override bool HasIntensities => false;

    /// <summary>How many words all documents have together.</summary>
    public long TotalLength => _counts.Sum(count => (long)count);

    /// <summary>The different words of a document, from 0.</summary>
    /// <param name="index">Its number.</param>
    /// <exception cref="DataException">There is no document of that number.</exception>
    public ReadOnlySpan<int> Words(int index) => Own(_words, index);

    /// <summary>How often it has each of <see cref="Words"/>.</summary>
    /// <param name="index">Its number.</param>
    /// <exception cref="DataException">There is no document of that number.</exception>
    public ReadOnlySpan<int> Counts(int index) => Own(_counts, index);

    /// <summary>Writes a document's counts of all words of the vocabulary.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="row">[VocabularySize], overwritten.</param>
    /// <exception cref="DataException">There is no document of that number.</exception>
    public void Fill(int index, Span<float> row)
    {
        ReadOnlySpan<int> words = Words(index), counts = Counts(index);
        row.Clear();
        for (int i = 0; i < words.Length; i++)
            row[words[i]] = counts[i];
    }

    /// <summary>
    /// The smoothed inverse document frequency of every word, log((1 + n) / (1 + df)) + 1 for n documents of which df have the word: as if one more document had all words.
    /// </summary>
    public double[] InverseDocumentFrequencies()
    {
        int[] documents = new int[VocabularySize];
        foreach (int word in _words)
            documents[word]++;
        return Array.ConvertAll(documents, df => Math.Log((1.0 + Count) / (1.0 + df)) + 1);
    }

    /// <summary>The documents of the given numbers, in the given order, repeats allowed; copied.</summary>
    /// <exception cref="DataException">A number is outside the set.</exception>
    public CountSet Select(ReadOnlySpan<int> indices) => Select(indices, Name);

    /// <summary>Several sets one after the other, numbered afresh from <paramref name="firstId"/>.</summary>
    /// <exception cref="DataException">Their vocabularies differ in size, or the result would not fit an array.</exception>
    internal static CountSet Concatenate(string name, IReadOnlyList<CountSet> parts, int firstId)
    {
        int size = parts[0].VocabularySize;
        if (parts.FirstOrDefault(part => part.VocabularySize != size) is { } other)
            throw new DataException($"'{parts[0].Name}' has {size} words and '{other.Name}' {other.VocabularySize}; documents of one vocabulary can be joined.");
        List<int> starts = [0];
        int[] words = Allocate<int>(name, parts.Sum(part => (long)part._words.Length)), counts = new int[words.Length];
        foreach (CountSet part in parts)
        {
            int at = starts[^1];
            part._words.CopyTo(words, at);
            part._counts.CopyTo(counts, at);
            starts.AddRange(part._starts.Skip(1).Select(start => at + start));
        }

        return new CountSet(name, size, [.. starts], words, counts, firstId, null);
    }

    internal override DataPart Choose(ReadOnlySpan<int> indices, string? name = null) => Select(indices, name ?? Name);

    private CountSet Select(ReadOnlySpan<int> indices, string name)
    {
        int[] starts = new int[indices.Length + 1];
        for (int i = 0; i < indices.Length; i++)
            starts[i + 1] = checked(starts[i] + Words(indices[i]).Length);
        int[] words = new int[starts[^1]], counts = new int[starts[^1]];
        for (int i = 0; i < indices.Length; i++)
        {
            Words(indices[i]).CopyTo(words.AsSpan(starts[i]));
            Counts(indices[i]).CopyTo(counts.AsSpan(starts[i]));
        }

        return new CountSet(name, VocabularySize, starts, words, counts, 0, IdsOf(indices));
    }

    private ReadOnlySpan<int> Own(int[] values, int index)
    {
        Check(index);
        return values.AsSpan(_starts[index].._starts[index + 1]);
    }
}
