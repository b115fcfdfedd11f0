using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Optimization;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>One step of training of a language model: the gradients of the log-probabilities of sentences, then gradient ascent.</summary>
internal static class LanguageWorkload
{
    private const int Positions = 40;
    private const int Words = 20_000;
    private const int Embedding = 512;
    private const int Hidden = 1024;

    public static Sizes Sizes { get; } = new(Datapoints: 32, Samples: 1);

    public static Workload Create(Sizes sizes)
    {
        var model = Model(Words, Embedding, Hidden);
        var sentences = Sentences(sizes.Datapoints, Positions, Words);
        var ascent = new Sgd(model.Parameters, learningRate: 0.1);
        var gradients = new Tensor[model.Parameters.Count];

        void Run()
        {
            using var scope = MemoryScope.Enter();
            _ = Gradients(model, sentences, gradients).ToDouble();
            ascent.Ascend(gradients);
        }

        return new Workload(
            "lstm",
            $"language model step, {sizes.Datapoints} x {Positions} words",
            "6 B T (4 H (E + H) + H V): T = 40 words, E = 512 and H = 1024 numbers of an embedding and of the state, V = 20,000; forward, gradients of inputs and of weights",
            6.0 * sizes.Datapoints * Positions * ((4.0 * Hidden * (Embedding + Hidden)) + ((double)Hidden * Words)),
            Run)
        {
            FractionFloor = 0.60,
            RatioFloor = 2,
        };
    }

    /// <summary>A language model without latent variables.</summary>
    public static LstmModel Model(int words, int embedding, int hidden) => new(
        CpuDevice.Instance,
        words,
        new LstmModelOptions { LatentSize = 0, EmbeddingSize = embedding, HiddenSize = hidden },
        new RandomStream(1, RandomPurpose.Initialization));

    /// <summary>Sentences of random words, all equally long.</summary>
    public static TokenObservations Sentences(int count, int length, int words)
    {
        var uniform = new float[count * length];
        new RandomStream(7, RandomPurpose.Test).FillUniform(uniform);
        int[] ids = [.. uniform.Select(number => Math.Min(words - 1, (int)(number * words)))];
        return new TokenObservations(CpuDevice.Instance, [.. ids.Chunk(length).Select(static sentence => (ReadOnlyMemory<int>)sentence)]);
    }

    /// <summary>The mean over sentences of their log-probabilities, in nats, and its gradients.</summary>
    public static Tensor Gradients(LstmModel model, TokenObservations sentences, Tensor[] gradients)
    {
        Tensor none = Tensor.Filled(sentences.Device, new Shape(sentences.Count, 1, 0), 0);
        Tensor value = model.LogLikelihood(sentences, new Latents(none)).Sum() / sentences.Count;
        Gradient.Of(value, (Tensor[])[.. model.Parameters], gradients);
        return value;
    }
}
