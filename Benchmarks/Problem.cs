using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Models;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>A variational autoencoder with fresh weights, and random black and white images.</summary>
internal sealed class Problem
{
    private const float Whites = 0.3f;

    /// <param name="sizes">The sizes.</param>
    /// <param name="flow">Whether q is a flow with an auxiliary variable, and not a factorised Gaussian.</param>
    public Problem(Sizes sizes, bool flow = false)
    {
        Device device = CpuDevice.Instance;
        var weights = new RandomStream(1, RandomPurpose.Initialization);
        int[] hidden = [sizes.Hidden, sizes.Hidden];
        Model = new DenseModel(device, sizes.Latent, hidden, sizes.Data, Activation.Elu, OutputKind.Bernoulli, weights.Fork(1));
        Family = flow
            ? new AuxiliaryFlow(device, sizes.Latent, weights.Fork(3), sizes.FlowSteps, [sizes.FlowHidden, sizes.FlowHidden])
            : new FactorizedGaussian(device, sizes.Latent);
        Encoder = new Amortized(Family, device, sizes.Data, hidden, Activation.Elu, weights.Fork(2));
        Vae = new Vae(Model, Family, Encoder);
        var pixels = new float[sizes.Datapoints * sizes.Data];
        new RandomStream(1, RandomPurpose.Test).FillUniform(pixels);
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = pixels[i] < Whites ? 1 : 0;
        }

        Images = new DenseObservations(Tensor.Create(device, new Shape(sizes.Datapoints, sizes.Data), pixels));
    }

    public GenerativeModel Model { get; }

    public VariationalFamily Family { get; }

    public Amortized Encoder { get; }

    public Vae Vae { get; }

    public DenseObservations Images { get; }

    /// <summary>The source of all noise.</summary>
    public RandomStream Stream { get; } = new(2, RandomPurpose.Test);

    /// <summary>What the encoder says about the images.</summary>
    public LocalParameters Encode()
    {
        using var scope = MemoryScope.Enter(record: false);
        return Encoder.Encode(Images).ToOwned();
    }

    /// <summary>A matrix of normal numbers times a scale plus a shift, for λ and directions.</summary>
    public static Tensor Normal(int rows, int columns, int seed, double scale = 1, double shift = 0)
    {
        var numbers = new float[rows * columns];
        new RandomStream((ulong)seed, RandomPurpose.Probe).FillNormal(numbers);
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = (float)((scale * numbers[i]) + shift);
        }

        return Tensor.Create(CpuDevice.Instance, new Shape(rows, columns), numbers);
    }
}
