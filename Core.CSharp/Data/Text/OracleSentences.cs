using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Data.Text;

/// <summary>
/// Generated sentences of a known distribution: that of <see cref="LstmModel.Oracle"/> with its frozen weights. They have words w0, w1, ..., a fixed length and no end word. Each sentence is a function of (options, seed, index)
/// alone.
/// </summary>
/// <remarks>The weights meet in float32 sums, whose last digits may differ between machines with other vector widths, so that, rarely, a word may as well.</remarks>
public static class OracleSentences
{
    /// <summary>Raised whenever the words of (options, seed, index) change.</summary>
    public const int Revision = 1;

    private const int Together = 500;

    // Keeps these numbers apart from those of other generated data of the same seed.
    private const ulong LatentStream = 4;
    private const ulong WordStream = 5;

    /// <summary>Makes sentences firstIndex .. firstIndex + count - 1; their ids are these indices.</summary>
    /// <param name="options">The generator.</param>
    /// <param name="seed">Seed of the data set; the generator's weights have one of their own.</param>
    /// <param name="firstIndex">First index. Range: firstIndex ≥ 0.</param>
    /// <param name="count">How many. Range: count ≥ 0.</param>
    /// <param name="name">Name of the set.</param>
    /// <exception cref="DataException">The range is impossible or too large.</exception>
    public static SentenceSet Make(OracleOptions options, ulong seed, int firstIndex, int count, string name = DataSets.Oracle)
    {
        if (firstIndex < 0 || count < 0 || (long)firstIndex + count > int.MaxValue)
            throw new DataException($"{count} sentences from number {firstIndex} on cannot be made; ask for 0 or more from number 0 or later.");
        if (options.Length < 1)
            throw new DataException($"Sentences of {options.Length} words cannot be made; ask for at least 1.");
        LstmModel model = LstmModel.Oracle(CpuDevice.Instance, options);
        RandomStream stream = new(seed, RandomPurpose.Synthetic);
        var words = new List<int>();
        for (int first = 0; first < count; first += Together)
        {
            using var scope = MemoryScope.Enter(record: false);
            int[] indices = [.. Enumerable.Range(firstIndex + first, Math.Min(Together, count - first))];
            Latents z = model.SamplePrior(new Noise(model.Device, stream.Fork(LatentStream), indices, 1));
            foreach (ReadOnlyMemory<int> sentence in model.SampleSentences(z, stream.Fork(WordStream), indices, options.Length))
                words.AddRange(sentence.Span);
        }
        return new SentenceSet(name, options.VocabularySize, [.. Enumerable.Range(0, count + 1).Select(i => i * options.Length)], [.. words], firstIndex);
    }

    /// <summary>The data set "oracle". The sentences of a part do not change when the sizes of the parts do.</summary>
    /// <param name="options">The generator.</param>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="train">Number of training sentences. Range: train ≥ 0.</param>
    /// <param name="validation">Number of validation sentences. Range: validation ≥ 0.</param>
    /// <param name="test">Number of test sentences. Range: test ≥ 0.</param>
    /// <exception cref="DataException">A size is negative or too large.</exception>
    public static DataSet Load(OracleOptions options, ulong seed, int train, int validation, int test)
    {
        string source = string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"{DataSets.Oracle}(revision={Revision}, range={options.Range}, latent range={options.LatentRange}, weights={options.Seed}, seed={seed})");
        (string Part, int First, int Count)[] parts = [("train", 0, train), ("validation", Synthetic.FirstValidationIndex, validation), ("test", Synthetic.FirstTestIndex, test)];
        SentenceSet[] sets = [.. parts.Select(part => Make(options, seed, part.First, part.Count, $"{DataSets.Oracle}/{part.Part}"))];
        DataSplits splits = new(sets[0], sets[1], sets[2], [.. parts.Select(part => new SplitRange(part.Part, source, part.First, part.Count))]);
        return new DataSet(DataSets.Oracle, splits, new Binarization.None(), [], vocabulary: [.. Enumerable.Range(0, options.VocabularySize).Select(i => $"w{i}")]);
    }
}
