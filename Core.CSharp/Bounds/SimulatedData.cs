using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Bounds;

/// <summary>
/// Datapoints together with the latent variables that made them: z ~ p(z), x ~ p(x | z). Seen from x, z is an exact sample of the posterior p(z | x).
/// </summary>
public sealed class SimulatedData
{
    private const ulong OutputStream = 1;

    /// <summary>Data and the latent variables that made them, simulated elsewhere.</summary>
    /// <param name="observations">x of B datapoints.</param>
    /// <param name="latents">z, one sample [B, 1, n_l] a level for each datapoint.</param>
    /// <exception cref="ShapeException">Not one sample for each datapoint.</exception>
    public SimulatedData(Observations observations, Latents latents)
    {
        foreach (Tensor level in latents.Levels)
            if (level.Shape.Rank != 3 || level.Shape[0] != observations.Count || level.Shape[1] != 1)
                throw new ShapeException(
                    $"SimulatedData: every level of the latent variables must be of shape (datapoints, 1, size) with {observations.Count} datapoints, not {level.Shape}.");
        Observations = observations;
        Latents = latents;
    }

    /// <summary>x.</summary>
    public Observations Observations { get; }

    /// <summary>z, [B, 1, n_l] for every level.</summary>
    public Latents Latents { get; }

    /// <summary>
    /// Simulates as many datapoints as a batch has, under its indices. A datapoint depends on the model, the stream and its index, not on the others and not on what the
    /// batch holds. The numbers belong to the garbage collector.
    /// </summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="like">The batch.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <exception cref="GapLabException">There are no datapoints, or the model cannot draw any, see <see cref="GenerativeModel.Sample"/>.</exception>
    public static SimulatedData Draw(GenerativeModel model, Observations like, RandomStream stream)
    {
        if (like.Count == 0)
            throw new GapLabException("Simulating data needs at least 1 datapoint; the batch has none.");
        using var scope = MemoryScope.Enter(record: false);
        RandomStream outputs = stream.Fork(OutputStream);
        var latents = new Latents([.. model.SamplePrior(new Noise(like, stream, 1)).Levels.Select(level => level.ToOwned())]);
        return new SimulatedData(model.Sample(latents, like, outputs).ToOwned(), latents);
    }

    /// <summary>z of one datapoint, [1, 1, n_l] for every level, in the current memory scope.</summary>
    internal Latents LatentsOf(int row) => Latents.Select(row);
}
