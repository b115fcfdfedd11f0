namespace GapLab.Data.Text;

/// <summary>What a text file holds.</summary>
/// <param name="Sentences">The words of every sentence, at least one each.</param>
/// <param name="Empty">How many lines without words were left out.</param>
/// <param name="TooLong">How many sentences of more than <see cref="SentenceReader.LongestSentence"/> words were left out.</param>
/// <param name="File">The file and its checksum.</param>
public sealed record SentenceFile(IReadOnlyList<string[]> Sentences, int Empty, int TooLong, LoadedFile File)
{
    /// <summary>How often each word occurs.</summary>
    public Dictionary<string, int> Frequencies()
    {
        var frequencies = new Dictionary<string, int>();
        foreach (string[] sentence in Sentences)
            foreach (string word in sentence)
                frequencies[word] = frequencies.GetValueOrDefault(word) + 1;
        return frequencies;
    }

    /// <summary>The sentences as numbers, each with its end.</summary>
    /// <param name="name">What they are.</param>
    /// <param name="vocabulary">Numbers of words, with an unknown word and an end.</param>
    /// <param name="firstId">The id of the first sentence.</param>
    public SentenceSet Encode(string name, Vocabulary vocabulary, int firstId)
    {
        List<int> starts = [0], words = [];
        foreach (string[] sentence in Sentences)
        {
            words.AddRange(sentence.Select(vocabulary.NumberOf));
            words.Add(vocabulary.End ?? throw new DataException($"The vocabulary of '{name}' has no '{Vocabulary.EndWord}'; add it."));
            starts.Add(words.Count);
        }
        return new SentenceSet(name, vocabulary.Size, [.. starts], [.. words], firstId);
    }
}
