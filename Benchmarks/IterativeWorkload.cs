using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>
/// One step of training a model with iterative inference: the gradients of the ELBOs after each of five iterations, then Adam. The network sees data, gradients and the present estimate.
/// </summary>
internal static class IterativeWorkload
{
    /// <summary>Its name in PyTorch's program.</summary>
    public const string Key = "iterative";

    private const int Iterations = 5;

    public static Sizes Sizes { get; } = new(Datapoints: 100, Samples: 1) { Hidden = 512, Latent = 64 };

    public static Workload Create(Sizes sizes)
    {
        var vae = CreateVae(sizes);
        var images = new Problem(sizes).Images;
        var stream = new RandomStream(2, RandomPurpose.Test);
        var adam = new Adam(vae.Parameters, new AdamOptions());
        var rule = new IterativeGradient();
        var gradients = new Tensor[vae.Parameters.Count];
        var step = 0;

        void Run()
        {
            using var scope = MemoryScope.Enter();
            _ = rule.Gradients(vae, images, stream, step++, ObjectiveWeights.Elbo, gradients).Sum().ToDouble();
            adam.Ascend(gradients);
        }

        double width = sizes.Data + (6.0 * sizes.Latent), h = sizes.Hidden;
        var network = (width * h) + (h * h) + (4 * sizes.Latent * h);
        return new Workload(
            Key,
            $"iterative step, {Iterations} iterations, batch {sizes.Datapoints}",
            "2 B (K (3 N - W H) + (2 K + 3) G): every network but its input, the decoder's inputs after each iteration, its weights after the last",
            2.0 * sizes.Datapoints * ((Iterations * ((3 * network) - (width * h))) + (((2 * Iterations) + 3) * sizes.DecoderWeights)),
            Run)
        {
            FractionFloor = 0.50,
            RatioFloor = 3,
        };
    }

    /// <summary>A model with iterative inference and fresh weights.</summary>
    /// <param name="sizes">The sizes.</param>
    public static Vae CreateVae(Sizes sizes)
    {
        Device device = CpuDevice.Instance;
        var weights = new RandomStream(1, RandomPurpose.Initialization);
        int[] hidden = [sizes.Hidden, sizes.Hidden];
        var model = new DenseModel(device, sizes.Latent, hidden, sizes.Data, Activation.Elu, OutputKind.Bernoulli, weights.Fork(1));
        var family = new FactorizedGaussian(device, sizes.Latent);
        var options = new IterativeOptions { Iterations = Iterations, Hidden = hidden };
        return new Vae(model, family, new Iterative(model, family, sizes.Data, options, weights.Fork(2)));
    }

    /// <summary>The noise of each evaluation of the ELBO in training step 0, that of λ₀ first.</summary>
    /// <param name="images">The batch.</param>
    /// <param name="stream">The source.</param>
    /// <param name="sizes">The sizes.</param>
    public static Tensor[] Noises(Observations images, RandomStream stream, Sizes sizes) =>
        [.. Enumerable.Range(0, Iterations + 1).Select(t => new Noise(images, stream.Fork((ulong)t), sizes.Samples).Normal(sizes.Latent))];
}
