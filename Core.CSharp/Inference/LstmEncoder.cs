using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference for sentences: an LSTM reads the start and the words, and linear maps of its last state give the blocks of the family's λ (Bowman et al. 2016, Kim et al. 2018). It has embeddings of its own. Its tables are of the sizes of those of a language model, from which it can be initialised.
/// </summary>
public sealed class LstmEncoder : InferenceMethod
{
    private readonly int _vocabulary;
    private readonly Embedding _words;
    private readonly Lstm _lstm;
    private readonly Linear[] _heads;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="vocabulary">V, the number of words.</param>
    /// <param name="embeddingSize">The size of a word's embedding.</param>
    /// <param name="hiddenSize">The size of the LSTM's state.</param>
    /// <param name="initialRange">Initial parameters are uniform on ±this.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    public LstmEncoder(VariationalFamily family, Device device, int vocabulary, int embeddingSize, int hiddenSize, double initialRange, RandomStream stream)
        : base(new ParameterSet(device))
    {
        if (vocabulary < 1 || embeddingSize < 1 || hiddenSize < 1 || !(initialRange >= 0))
            throw new GapLabException($"LstmEncoder: {vocabulary} words, sizes {embeddingSize} and {hiddenSize} of embeddings and state and an initial range of {initialRange} make no encoder; give sizes of at least 1 and a range of at least 0.");
        _vocabulary = vocabulary;
        // The start of a sentence has the last row.
        _words = new Embedding(Parameters, "encoder.words", vocabulary + 1, embeddingSize, stream);
        _lstm = new Lstm(Parameters, "encoder.lstm", embeddingSize, hiddenSize, stream);
        _heads = [.. family.LocalBlocks.Select(block => new Linear(Parameters, $"encoder.{block.Name}", hiddenSize, block.Size, Activation.Identity, stream))];
        Initialization.AllUniform(Parameters, stream, initialRange);
        Name = $"LSTM encoder of {hiddenSize}, embeddings of {embeddingSize}";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment; the data give the vocabulary.</summary>
    /// <param name="embeddingSize">The size of a word's embedding.</param>
    /// <param name="hiddenSize">The size of the LSTM's state.</param>
    /// <param name="initialRange">Initial parameters are uniform on ±this.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(int embeddingSize = 512, int hiddenSize = 1024, double initialRange = 0.1) => new(
        "lstm-encoder", revision: 1, new { embeddingSize, hiddenSize, initialRange },
        context => new LstmEncoder(context.Family, context.Model.Device, context.DataSize, embeddingSize, hiddenSize, initialRange, context.Stream));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    /// <exception cref="ShapeException">The data are no sentences, or have words that the encoder does not know.</exception>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        TokenObservations text = TokenObservations.Of(x, Name);
        return new(Encode(text, Embedded(text)));
    }

    /// <summary>The embeddings of the start and of the words at every position, [(T + 1) B, e], those of the start first.</summary>
    /// <param name="text">The sentences.</param>
    /// <exception cref="ShapeException">A word that the encoder does not know.</exception>
    public Tensor Embedded(TokenObservations text)
    {
        text.RequireBelow(_vocabulary);
        return _words.Forward(Parameters, (int[])[.. Enumerable.Repeat(_vocabulary, text.Count), .. text.ByPosition()]);
    }

    /// <summary>λ of sentences with given embeddings: what saliency differentiates.</summary>
    /// <param name="text">The sentences.</param>
    /// <param name="embedded">The embeddings of the start and at every position.</param>
    public LocalParameters Encode(TokenObservations text, Tensor embedded)
    {
        Tensor hidden = _lstm.Forward(Parameters, embedded, text.Longest + 1, _lstm.InitialState(Parameters.Device, text.Count).Hidden);
        // A sentence's state after its own last word, whatever was read behind its end.
        var last = new int[text.Count];
        for (int row = 0; row < last.Length; row++)
            last[row] = text.LengthOf(row) * text.Count + row;
        Tensor features = hidden.Embed(last);
        return new LocalParameters([.. _heads.Select(head => head.Forward(Parameters, features))]);
    }
}
