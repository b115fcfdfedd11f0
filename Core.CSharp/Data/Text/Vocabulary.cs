namespace GapLab.Data.Text;

/// <summary>The words of a text and their numbers, from 0.</summary>
public sealed class Vocabulary
{
    /// <summary>The word that stands for all words that are not in the vocabulary.</summary>
    public const string UnknownWord = "<unk>";

    /// <summary>The word after the last one of a sentence.</summary>
    public const string EndWord = "</s>";

    private readonly Dictionary<string, int> _numbers = [];

    /// <summary>A vocabulary of given words.</summary>
    /// <param name="words">All different; <see cref="UnknownWord"/> and <see cref="EndWord"/> have their meaning where they occur.</param>
    /// <exception cref="DataException">No words, or one of them twice.</exception>
    public Vocabulary(IReadOnlyList<string> words)
    {
        if (words.Count == 0)
            throw new DataException("A vocabulary needs at least one word; check the text that it is made of.");
        Words = words;
        for (int i = 0; i < words.Count; i++)
            if (!_numbers.TryAdd(words[i], i))
                throw new DataException($"The vocabulary has '{words[i]}' twice, as words {_numbers[words[i]]} and {i} (from 0); give different words.");
        Unknown = _numbers.TryGetValue(UnknownWord, out int unknown) ? unknown : null;
        End = _numbers.TryGetValue(EndWord, out int end) ? end : null;
    }

    /// <summary>The words in the order of their numbers.</summary>
    public IReadOnlyList<string> Words { get; }

    /// <summary>V, how many there are.</summary>
    public int Size => Words.Count;

    /// <summary>The number of <see cref="UnknownWord"/>; null if it is not in the vocabulary.</summary>
    public int? Unknown { get; }

    /// <summary>The number of <see cref="EndWord"/>; null if it is not in the vocabulary, and sentences have no end of their own.</summary>
    public int? End { get; }

    /// <summary>
    /// The unknown word, the end of a sentence, and the commonest words of a text in descending order of frequency; of equally common ones, in the order of their code units.
    /// </summary>
    /// <param name="frequencies">How often each word of the training text occurs.</param>
    /// <param name="size">V at most, 3 or more.</param>
    /// <exception cref="DataException">A smaller size.</exception>
    public static Vocabulary OfFrequencies(IEnumerable<KeyValuePair<string, int>> frequencies, int size)
    {
        if (size < 3)
            throw new DataException($"A vocabulary of {size} words has no place for a word beside '{UnknownWord}' and '{EndWord}'; ask for 3 or more.");
        return new Vocabulary(
        [
            UnknownWord, EndWord,
            .. frequencies.Where(word => word.Key is not (UnknownWord or EndWord))
                .OrderByDescending(word => word.Value).ThenBy(word => word.Key, StringComparer.Ordinal).Take(size - 2).Select(word => word.Key),
        ]);
    }

    /// <summary>A word's number, or that of <see cref="UnknownWord"/>.</summary>
    /// <param name="word">The word.</param>
    /// <exception cref="DataException">It is not in the vocabulary, and nothing stands for such words.</exception>
    public int NumberOf(string word) => _numbers.TryGetValue(word, out int number)
        ? number
        : Unknown ?? throw new DataException($"'{word}' is not in the vocabulary of {Size} words, which has no '{UnknownWord}' for such words; use its words.");

    /// <summary>The numbers of the words of a sentence, separated by white space, and of its end.</summary>
    /// <param name="sentence">The sentence.</param>
    /// <exception cref="DataException">It has no words, or one that the vocabulary cannot express.</exception>
    public int[] Encode(string sentence)
    {
        string[] words = sentence.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
            throw new DataException("The sentence has no words; give at least one.");
        int[] numbers = [.. words.Select(NumberOf)];
        return End is { } end ? [.. numbers, end] : numbers;
    }

    /// <summary>The words of a sentence, without its end, separated by blanks.</summary>
    /// <param name="sentence">Their numbers.</param>
    public string Decode(ReadOnlySpan<int> sentence)
    {
        var words = new List<string>();
        foreach (int number in sentence)
            if (number != End)
                words.Add(Words[number]);
        return string.Join(' ', words);
    }
}
