using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>One step of training a semi-amortized autoencoder: twenty steps on λ, the total derivatives of the ELBO after them, then Adam. Nothing is clipped.</summary>
internal static class SemiAmortizedWorkload
{
    /// <summary>Its name in PyTorch's program.</summary>
    public const string Key = "semi-amortized";

    private const int Iterations = 20;

    public static Sizes Sizes { get; } = new(Datapoints: 100, Samples: 1);

    public static Workload Create(Sizes sizes)
    {
        var problem = new Problem(sizes);
        var vae = CreateVae(problem, sizes);
        var adam = new Adam(vae.Parameters, new AdamOptions());
        var rule = new SemiAmortizedGradient();
        var gradients = new Tensor[vae.Parameters.Count];
        var step = 0;

        void Run()
        {
            using var scope = MemoryScope.Enter();
            _ = rule.Gradients(vae, problem.Images, problem.Stream, step++, ObjectiveWeights.Elbo, gradients).Sum().ToDouble();
            adam.Ascend(gradients);
        }

        double b = sizes.Datapoints, s = sizes.Samples;
        return new Workload(
            Key,
            $"semi-amortized step, K = {Iterations}, batch {sizes.Datapoints}",
            "2 B (3 E - D H) + 2 B S (3 + 8 K) G: a training step, and for each step on λ its gradient and the gradient with Hessian products",
            (2 * b * ((3 * sizes.EncoderWeights) - ((double)sizes.Data * sizes.Hidden))) + (2 * b * s * (3 + (8 * Iterations)) * sizes.DecoderWeights),
            Run)
        {
            FractionFloor = 0.45,
            RatioFloor = 3,
        };
    }

    /// <summary>The problem's model, family and encoder with steps on λ, each as long as over a batch mean, in training.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="sizes">The sizes.</param>
    public static Vae CreateVae(Problem problem, Sizes sizes)
    {
        var options = new SemiAmortizedOptions { Iterations = Iterations, BatchSize = sizes.Datapoints, Samples = sizes.Samples, Clip = null };
        return new Vae(problem.Model, problem.Family, new SemiAmortized(problem.Encoder, options)).InTraining();
    }

    /// <summary>The noise of each step on λ in training step 0.</summary>
    /// <param name="images">The batch.</param>
    /// <param name="stream">The source.</param>
    /// <param name="sizes">The sizes.</param>
    public static Tensor[] Noises(Observations images, RandomStream stream, Sizes sizes)
    {
        RandomStream steps = SemiAmortized.StepNoiseOf(stream.Fork(JointGradient.InferenceNoise));
        return [.. Enumerable.Range(0, Iterations).Select(k => new Noise(images, steps.Fork((ulong)k), sizes.Samples).Normal(sizes.Latent))];
    }
}
