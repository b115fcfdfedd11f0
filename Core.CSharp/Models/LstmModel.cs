using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// A language model of sentences with latent variables (Bowman et al. 2016, Kim et al. 2018): p(z) = N(0, I), p(x | z) = Π_t p(x_t | x_1 ... x_{t-1}, z), each word predicted by an LSTM that has read the words
/// before it. Without latent variables it is the plain language model, log p(x | z) = log p(x).
/// </summary>
public sealed class LstmModel : GenerativeModel
{
    // Lanes of the noise that drops numbers and words.
    private const int EmbeddingLane = 0, OutputLane = 1, WordLane = 2;

    private readonly LstmModelOptions _options;
    private readonly Embedding _words;
    private readonly Lstm _lstm;
    private readonly Linear? _start;
    private readonly Linear _output;

    /// <summary>A model with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="vocabulary">V, the number of words.</param>
    /// <param name="options">The settings.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    public LstmModel(Device device, int vocabulary, LstmModelOptions options, RandomStream stream)
        : base(new ParameterSet(device))
    {
        if (vocabulary < 1 || options.LatentSize < 0 || options.EmbeddingSize < 1 || options.HiddenSize < 1 || !(options.InitialRange >= 0)
            || options.Dropout is not (>= 0 and < 1) || options.WordDropout is not (>= 0 and < 1))
            throw new GapLabException(
                $"LstmModel: {vocabulary} words, sizes {options.LatentSize}, {options.EmbeddingSize} and {options.HiddenSize} of z, embeddings and state, an initial range of {options.InitialRange} and dropout of {options.Dropout} and "
                + $"{options.WordDropout} make no model; give sizes of at least 1 (of z: 0), a range of at least 0 and probabilities below 1.");
        _options = options;
        Vocabulary = vocabulary;
        int n = options.LatentSize, entering = options.Entry == LatentEntry.InputsAndState ? n : 0;
        LatentSizes = [n];
        // The start of a sentence has the last row.
        _words = new Embedding(Parameters, "decoder.words", vocabulary + 1, options.EmbeddingSize, stream);
        _lstm = new Lstm(Parameters, "decoder.lstm", options.EmbeddingSize, options.HiddenSize, stream, entering);
        _start = entering > 0 ? new Linear(Parameters, "decoder.start", n, options.HiddenSize, Activation.Identity, stream) : null;
        _output = new Linear(Parameters, "decoder.output", options.HiddenSize + n - entering, vocabulary, Activation.Identity, stream);
        Initialization.AllUniform(Parameters, stream, options.InitialRange);
    }

    /// <summary>The choice of such a model, for the specification of an experiment; the data give the vocabulary.</summary>
    /// <param name="options">The settings.</param>
    public static Component<ModelContext, GenerativeModel> Choice(LstmModelOptions options) =>
        new("lstm", revision: 1, options, context => new LstmModel(context.Device, context.DataSize, options, context.Stream));

    /// <summary>The generator of sentences whose true distribution is known, of weights that its settings determine.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="options">The settings.</param>
    public static LstmModel Oracle(Device device, OracleOptions options)
    {
        var stream = new RandomStream(options.Seed, RandomPurpose.Initialization).Fork(4);
        var settings = new LstmModelOptions
        {
            LatentSize = options.LatentSize,
            EmbeddingSize = options.EmbeddingSize,
            HiddenSize = options.HiddenSize,
            Entry = LatentEntry.Output,
            InitialRange = options.Range,
        };
        var model = new LstmModel(device, options.VocabularySize, settings, stream);
        Tensor weight = model._output.Weight(model.Parameters);
        double[] values = weight.ToArray();
        for (int i = 0; i < values.Length; i++)
            if (i % weight.Shape[1] >= options.HiddenSize)
                values[i] *= options.LatentRange / options.Range;
        weight.Assign(Tensor.Create(device, weight.Shape, values));
        return model;
    }

    /// <summary>The choice of that generator, which the seed of an experiment does not change.</summary>
    /// <param name="options">The settings.</param>
    public static Component<ModelContext, GenerativeModel> OracleChoice(OracleOptions options) => new("oracle-lstm", revision: 1, options, context => Oracle(context.Device, options));

    /// <inheritdoc/>
    public override string Name
    {
        get
        {
            string latent = _options.LatentSize == 0 ? "no z" : $"z of {_options.LatentSize} in the {(_options.Entry == LatentEntry.Output ? "output" : "inputs and the first state")}";
            string dropout = string.Concat(Percent("dropout", _options.Dropout), Percent("word dropout", _options.WordDropout));
            return $"LSTM of {_options.HiddenSize}, embeddings of {_options.EmbeddingSize}, {Vocabulary} words, {latent}{dropout}";
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <summary>V, the number of words.</summary>
    public int Vocabulary { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above) => DiagonalGaussian.Standard(Device, LatentSizes[level]);

    /// <inheritdoc/>
    /// <exception cref="ShapeException">The data are no sentences, or have words that the model does not know.</exception>
    public override OutputDistribution Output(Latents z, Observations x)
    {
        TokenObservations text = TokenObservations.Of(x, Name);
        text.RequireBelow(Vocabulary);
        // Without latent variables all samples are the same.
        int samples = _options.LatentSize == 0 ? 1 : z[0].Shape[1], rows = text.Count * samples;
        Tensor latent = Rows(z, rows);
        Tensor read = Dropped(_words.Forward(Parameters, Hidden(text.InputsByPosition(Vocabulary), text)), EmbeddingLane, text.Longest);
        Tensor hidden = _lstm.Forward(Parameters, read, text.Longest, FirstState(latent, rows).Hidden, Projected(latent));
        Tensor features = Dropped(WithLatent(hidden, latent), OutputLane, text.Longest);
        return new TokenSequence(features, text.Longest, _output.Weight(Parameters), _output.Bias(Parameters), samples, z[0].Shape[1] / samples);
    }

    /// <summary>
    /// Sentences x ~ p(x | z), word by word: word t of a sentence is drawn with its own uniform number, at (index of the datapoint, t) of the stream.
    /// </summary>
    /// <param name="z">One sample [B, 1, n] for each sentence.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="indices">The index of every sentence, which keys its numbers.</param>
    /// <param name="longest">How many words a sentence has at most.</param>
    /// <param name="end">The word that ends a sentence and belongs to it; null for sentences of the full length.</param>
    /// <param name="temperature">Probabilities are those of the logits divided by it; below 1, likelier words become likelier still.</param>
    /// <exception cref="GapLabException">A length below 1, or a temperature that is not positive.</exception>
    public IReadOnlyList<ReadOnlyMemory<int>> SampleSentences(Latents z, RandomStream stream, ReadOnlyMemory<int> indices, int longest, int? end = null, double temperature = 1)
    {
        if (longest < 1 || !(temperature > 0))
            throw new GapLabException($"Sentences of at most {longest} words at temperature {temperature} cannot be sampled; give at least 1 word and a positive temperature.");
        using var scope = MemoryScope.Enter(record: false);
        int count = indices.Length;
        var words = Enumerable.Range(0, count).Select(_ => new List<int>()).ToArray();
        int[] last = [.. Enumerable.Repeat(Vocabulary, count)];
        Tensor latent = Rows(z, count);
        Tensor projected = Projected(latent);
        (Tensor Hidden, Tensor Cell) state = FirstState(latent, count);
        for (int t = 0; t < longest && words.Any(sentence => !HasEnded(sentence)); t++)
        {
            state = _lstm.Step(Parameters, _words.Forward(Parameters, last), state, projected);
            double[] logits = WithLatent(state.Hidden, latent).Linear(_output.Weight(Parameters), _output.Bias(Parameters)).ToArray();
            for (int row = 0; row < count; row++)
            {
                last[row] = Draw(logits.AsSpan(row * Vocabulary, Vocabulary), temperature, stream.At(indices.Span[row], t).Uniform(0));
                if (!HasEnded(words[row]))
                    words[row].Add(last[row]);
            }
        }
        return [.. words.Select(sentence => (ReadOnlyMemory<int>)sentence.ToArray())];

        bool HasEnded(List<int> sentence) => end is not null && sentence.Count > 0 && sentence[^1] == end;
    }

    /// <summary>Sentences of the lengths that those of a batch have, see <see cref="SampleSentences"/>: the first words of what the model makes.</summary>
    /// <inheritdoc/>
    public override Observations Sample(Latents z, Observations like, RandomStream stream)
    {
        TokenObservations text = TokenObservations.Of(like, Name);
        IReadOnlyList<ReadOnlyMemory<int>> sentences = SampleSentences(z, stream, like.Indices, text.Longest);
        return new TokenObservations(Device, [.. sentences.Select((sentence, row) => sentence[..text.LengthOf(row)])], like.Indices);
    }

    /// <summary>The first word whose cumulative probability exceeds u.</summary>
    private static int Draw(Span<double> logits, double temperature, double u)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (double logit in logits)
            largest = Math.Max(largest, logit);
        for (int v = 0; v < logits.Length; v++)
            logits[v] = sum += Math.Exp((logits[v] - largest) / temperature);
        int word = logits.BinarySearch(u * sum);
        word = word < 0 ? ~word : word + 1;
        return Math.Min(word, logits.Length - 1);
    }

    /// <summary>z [rows, n]; undefined without latent variables.</summary>
    private Tensor Rows(Latents z, int rows) => _options.LatentSize == 0 ? default : z[0].Reshape(rows, _options.LatentSize);

    private (Tensor Hidden, Tensor Cell) FirstState(Tensor latent, int rows)
    {
        (Tensor hidden, Tensor cell) = _lstm.InitialState(Device, rows);
        return (_start is null ? hidden : _start.Forward(Parameters, latent), cell);
    }

    /// <summary>What z adds to the gates at every position; undefined where it does not enter there.</summary>
    private Tensor Projected(Tensor latent) => latent.IsDefined ? _lstm.Project(Parameters, latent) : default;

    /// <summary>[h_t, z] at every position [T R, n + |z|] where z enters the output, else h.</summary>
    private Tensor WithLatent(Tensor hidden, Tensor latent)
    {
        if (!latent.IsDefined || _options.Entry != LatentEntry.Output)
            return hidden;
        int rows = latent.Shape[0], positions = hidden.Shape[0] / rows;
        Tensor repeated = latent.Reshape(1, rows, latent.Shape[1]).BroadcastTo(new Shape(positions, rows, latent.Shape[1]));
        return Tensor.Concatenate(hidden, repeated.Reshape(hidden.Shape[0], latent.Shape[1]));
    }

    /// <summary>In training, with some numbers dropped.</summary>
    private Tensor Dropped(Tensor values, int lane, int positions) =>
        TrainingNoise is { } noise && _options.Dropout > 0 ? values * Dropout.Mask(noise, _options.Dropout, values.Shape, lane, positions) : values;

    /// <summary>In training, with some words replaced by the start.</summary>
    private int[] Hidden(int[] words, TokenObservations text)
    {
        if (TrainingNoise is not { } noise || _options.WordDropout == 0)
            return words;
        for (int row = 0; row < text.Count; row++)
        {
            var uniform = new float[text.Longest];
            noise.Stream.At(noise.Datapoints.Span[row], noise.Step, WordLane).FillUniform(uniform);
            for (int t = 1; t < uniform.Length; t++)
                if (uniform[t] < _options.WordDropout)
                    words[t * text.Count + row] = Vocabulary;
        }
        return words;
    }

    private static string Percent(string what, double probability) => probability == 0 ? "" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $", {what} {probability:0.##}");
}
