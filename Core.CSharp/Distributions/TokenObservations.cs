using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Sentences as sequences of words x_1 ... x_T, numbers below V, of ragged lengths. What comes before the first word is no word: models give it an embedding of its own. The end of a sentence is a word like others
/// where the data have one.
/// </summary>
public sealed class TokenObservations : Observations
{
    private const int NumbersOfWord = 1000;

    private readonly int[] _words;
    private readonly int[] _lengths;

    /// <summary>A batch of sentences.</summary>
    /// <param name="device">Where models compute with them.</param>
    /// <param name="sentences">The words of each, at least one.</param>
    /// <param name="indices">The sentences' indices; by default 0, 1, ...</param>
    /// <exception cref="ShapeException">No sentences, one without words, a negative word, or another number of indices.</exception>
    public TokenObservations(Device device, IReadOnlyList<ReadOnlyMemory<int>> sentences, ReadOnlyMemory<int>? indices = null)
        : base(indices ?? Enumerable.Range(0, sentences.Count).ToArray())
    {
        if (sentences.Count == 0 || Indices.Length != sentences.Count)
            throw new ShapeException($"TokenObservations: {Indices.Length} indices for {sentences.Count} sentences; give one for each of at least one sentence.");
        Device = device;
        _lengths = [.. sentences.Select(sentence => sentence.Length)];
        int empty = Array.IndexOf(_lengths, 0);
        if (empty >= 0)
            throw new ShapeException($"TokenObservations: sentence {empty} (from 0) has no words, so that there is nothing to predict; leave it out.");
        Longest = _lengths.Max();
        _words = new int[Count * Longest];
        for (int row = 0; row < Count; row++)
        {
            ReadOnlySpan<int> sentence = sentences[row].Span;
            if (sentence.IndexOfAnyInRange(int.MinValue, -1) is >= 0 and var at)
                throw new ShapeException($"TokenObservations: word {at} (from 0) of sentence {row} is {sentence[at]}; words are numbered from 0.");
            sentence.CopyTo(_words.AsSpan(row * Longest));
        }
    }

    /// <summary>A batch as sentences.</summary>
    /// <param name="x">The batch.</param>
    /// <param name="who">Who needs sentences, for the message.</param>
    /// <exception cref="ShapeException">The data are of another kind.</exception>
    public static TokenObservations Of(Observations x, string who) =>
        x as TokenObservations ?? throw new ShapeException($"Sentences are needed by '{who}', and {x.GetType().Name} are none; use a data set of text.");

    /// <inheritdoc/>
    public override Device Device { get; }

    /// <summary>T, the number of words of the longest sentence.</summary>
    public int Longest { get; }

    /// <summary>Whether all sentences are equally long, so that nothing needs to be masked.</summary>
    public bool IsEven => !_lengths.AsSpan().ContainsAnyExcept(Longest);

    /// <summary>The number of words of each sentence, which perplexities count.</summary>
    public override double[] Lengths => Array.ConvertAll(_lengths, length => (double)length);

    /// <summary>Each word takes a state and its part of a softmax.</summary>
    public override int OutputSize => Longest * NumbersOfWord;

    /// <summary>The number of words of a sentence.</summary>
    /// <param name="row">Its position in the batch.</param>
    public int LengthOf(int row) => _lengths[row];

    /// <summary>The words of a sentence.</summary>
    /// <param name="row">Its position in the batch.</param>
    public ReadOnlySpan<int> Sentence(int row) => _words.AsSpan(row * Longest, _lengths[row]);

    /// <summary>The words at every position, time-major [T · B]: those of position 0 first. Behind the end of a sentence there is word 0.</summary>
    public int[] ByPosition()
    {
        var words = new int[_words.Length];
        for (int t = 0; t < Longest; t++)
            for (int row = 0; row < Count; row++)
                words[t * Count + row] = _words[row * Longest + t];
        return words;
    }

    /// <summary>
    /// What a model that predicts reads at every position, time-major [T · B]: the start before the first word, then the words but the last. Behind the end of a sentence there is
    /// the start again.
    /// </summary>
    /// <param name="start">The number that stands for the start.</param>
    public int[] InputsByPosition(int start)
    {
        var inputs = new int[_words.Length];
        Array.Fill(inputs, start);
        for (int t = 1; t < Longest; t++)
            for (int row = 0; row < Count; row++)
                if (t < _lengths[row])
                    inputs[t * Count + row] = _words[row * Longest + t - 1];
        return inputs;
    }

    /// <summary>1 where a sentence has a word and 0 behind its end, time-major [T, B].</summary>
    public double[] Presence()
    {
        var presence = new double[_words.Length];
        for (int t = 0; t < Longest; t++)
            for (int row = 0; row < Count; row++)
                presence[t * Count + row] = t < _lengths[row] ? 1 : 0;
        return presence;
    }

    /// <summary>Throws if a word has no place in a vocabulary.</summary>
    /// <param name="vocabulary">V.</param>
    /// <exception cref="ShapeException">Names the word and where it is.</exception>
    public void RequireBelow(int vocabulary)
    {
        int at = _words.AsSpan().IndexOfAnyInRange(vocabulary, int.MaxValue);
        if (at >= 0)
            throw new ShapeException($"Word {at % Longest} (from 0) of sentence {at / Longest} is {_words[at]}, and the model knows the words 0 to {vocabulary - 1}; encode the text with the vocabulary of its training data.");
    }

    /// <inheritdoc/>
    public override Observations Select(ReadOnlySpan<int> rows)
    {
        var sentences = new ReadOnlyMemory<int>[rows.Length];
        for (int i = 0; i < sentences.Length; i++)
            sentences[i] = _words.AsMemory(rows[i] * Longest, _lengths[rows[i]]);
        return new TokenObservations(Device, sentences, IndicesOf(rows));
    }

    /// <summary>This, since words never lie in a memory scope.</summary>
    public override Observations ToOwned() => this;
}
