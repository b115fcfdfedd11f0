using GapLab.Differentiation;
using GapLab.Networks;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>
/// Gated convolutions as in a decoder of images, y = tanh(a) σ(b) with (a, b) = x * W, one after the other: their values, and the gradients of all kernels, biases and of the input.
/// </summary>
internal static class ConvolutionWorkload
{
    private const int Layers = 3;
    private const int Channels = 32;
    private const int Side = 28;
    private const int Kernel = 7;

    public static Sizes Sizes { get; } = new(Datapoints: 50, Samples: 1);

    public static Workload Create(Sizes sizes)
    {
        Tensor[] weights = Weights();
        Tensor input = Image(sizes.Datapoints, seed: 5);
        var gradients = new Tensor[weights.Length + 1];

        void Run()
        {
            using var scope = MemoryScope.Enter();
            Gradient.Of(Value(input, weights), (Tensor[])[input, .. weights], gradients);
        }

        return new Workload(
            "convolutions",
            $"{Layers} gated {Kernel} x {Kernel} convolutions, batch {sizes.Datapoints}",
            "6 L B P K 2 C²: L = 3 layers on P = 28² pixels with C = 32 channels, K = 7²; forward, gradients of inputs and of kernels",
            6.0 * Layers * sizes.Datapoints * Side * Side * Kernel * Kernel * 2 * Channels * Channels,
            Run)
        {
            FractionFloor = 0.65,
            RatioFloor = 1,
        };
    }

    /// <summary>The sum of the squares of the last layer's outputs, divided by the batch size.</summary>
    /// <param name="x">Images [B, 28, 28, 32].</param>
    /// <param name="weights">W and its biases for each layer.</param>
    public static Tensor Value(Tensor x, Tensor[] weights)
    {
        var batch = x.Shape[0];
        for (var i = 0; i < weights.Length; i += 2)
        {
            x = x.Conv2d(weights[i], weights[i + 1], 1, Kernel / 2).Gate();
        }

        return x.Square().Sum() / batch;
    }

    /// <summary>Normal images [B, 28, 28, 32].</summary>
    public static Tensor Image(int batch, int seed) =>
        Problem.Normal(batch, Side * Side * Channels, seed).Reshape(batch, Side, Side, Channels).ToOwned();

    /// <summary>Kernels with unit gain, small biases.</summary>
    public static Tensor[] Weights() =>
    [
        .. Enumerable.Range(0, Layers).SelectMany(static i => (Tensor[])
        [
            Problem.Normal(2 * Channels, Kernel * Kernel * Channels, 10 + i, 1 / Math.Sqrt(Kernel * Kernel * Channels)).Reshape(2 * Channels, Kernel, Kernel, Channels).ToOwned(),
            Problem.Normal(1, 2 * Channels, 20 + i, 0.1).Reshape(2 * Channels).ToOwned(),
        ]),
    ];
}
