using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// The standard normals of one evaluation of a batch: which stream, which datapoints, how many samples each. Everything computed from
/// the same noise is deterministic, and a datapoint's noise does not depend on its batch.
/// </summary>
/// <param name="Device">Where the numbers go.</param>
/// <param name="Stream">The source.</param>
/// <param name="Datapoints">The index of every row's datapoint in its data set.</param>
/// <param name="Samples">Samples for each datapoint, S.</param>
/// <param name="Step">The step: another one gives fresh noise.</param>
/// <param name="FirstSample">How many samples of the step were drawn before, when they are drawn in pieces.</param>
public readonly record struct Noise(Device Device, RandomStream Stream, ReadOnlyMemory<int> Datapoints, int Samples, int Step = 0, int FirstSample = 0)
{
    /// <summary>The noise of a batch.</summary>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source.</param>
    /// <param name="samples">Samples for each datapoint, S.</param>
    /// <param name="step">The step.</param>
    /// <param name="firstSample">How many samples of the step were drawn before.</param>
    public Noise(Observations x, RandomStream stream, int samples, int step = 0, int firstSample = 0)
        : this(x.Device, stream, x.Indices, samples, step, firstSample) { }

    /// <summary>ε [B, S, size] ~ N(0, I).</summary>
    /// <param name="size">The size of one sample.</param>
    /// <param name="level">The latent level it is for; levels have independent noise.</param>
    public Tensor Normal(int size, int level = 0) =>
        Tensor.Normal(Device, Stream, Datapoints.Span, Step, level, new Shape(Samples, size), (long)FirstSample * size);
}
