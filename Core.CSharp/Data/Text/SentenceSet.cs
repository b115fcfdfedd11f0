namespace GapLab.Data.Text;

/// <summary>
/// An immutable list of sentences as numbers of words, 4 bytes a word. As a <see cref="DataPart"/>, the size of a datapoint is that of the vocabulary, which models need to know; batches are made by
/// <see cref="SentenceSource"/>.
/// </summary>
public sealed class SentenceSet : DataPart
{
    private readonly int[] _starts;
    private readonly int[] _words;

    /// <summary>Wraps words without copying them; the caller must not change them afterwards.</summary>
    /// <param name="name">What the sentences are, used in messages.</param>
    /// <param name="vocabularySize">V, how many words there are. Range: 1 or more.</param>
    /// <param name="starts">[N + 1], where each sentence begins among the words, and where the last one ends.</param>
    /// <param name="words">The words of all sentences, from 0 to V - 1.</param>
    /// <param name="firstId">The id of the first sentence; the others count on from it. Range: firstId ≥ 0.</param>
    /// <exception cref="DataException">A number is out of its range, or a sentence has no words.</exception>
    public SentenceSet(string name, int vocabularySize, int[] starts, int[] words, int firstId = 0)
        : this(name, vocabularySize, starts, words, firstId, null)
    {
        if (starts is not [0, ..] || starts[^1] != words.Length)
            throw new DataException($"The sentences of '{name}' do not fill its {words.Length} words; give where each sentence begins.");
        for (int i = 0; i < Count; i++)
            if (starts[i] >= starts[i + 1])
                throw new DataException($"Sentence {i} (from 0) of '{name}' has no words; leave it out.");
        int at = words.AsSpan().IndexOfAnyExceptInRange(0, vocabularySize - 1);
        if (at >= 0)
            throw new DataException($"Word {at} (from 0) of '{name}' is {words[at]}; give words from 0 to {vocabularySize - 1}.");
    }

    private SentenceSet(string name, int vocabularySize, int[] starts, int[] words, int firstId, int[]? ids)
        : base(name, 1, vocabularySize, 1, (starts.Length - 1L) * vocabularySize, firstId, ids)
    {
        _starts = starts;
        _words = words;
    }

    /// <summary>V, how many words there are.</summary>
    public int VocabularySize => Width;

    /// <summary>How many words all sentences have together.</summary>
    public int TotalLength => _words.Length;

    /// <summary>Never: words are no pixels.</summary>
    public override bool IsBinary => false;

    /// <summary>Never: words are no probabilities.</summary>
    public override bool HasIntensities => false;

    /// <summary>The words of a sentence.</summary>
    /// <param name="index">Its number.</param>
    /// <exception cref="DataException">There is no sentence of that number.</exception>
    public ReadOnlyMemory<int> Words(int index)
    {
        Check(index);
        return _words.AsMemory(_starts[index].._starts[index + 1]);
    }

    internal override DataPart Choose(ReadOnlySpan<int> indices, string? name = null)
    {
        int[] starts = new int[indices.Length + 1];
        for (int i = 0; i < indices.Length; i++)
            starts[i + 1] = checked(starts[i] + Words(indices[i]).Length);
        int[] words = new int[starts[^1]];
        for (int i = 0; i < indices.Length; i++)
            Words(indices[i]).Span.CopyTo(words.AsSpan(starts[i]));
        return new SentenceSet(name ?? Name, VocabularySize, starts, words, 0, IdsOf(indices));
    }
}
