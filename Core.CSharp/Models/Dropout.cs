using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Tensors;
using MathNet.Numerics.Distributions;

namespace GapLab.Models;

/// <summary>Numbers that are dropped at random in training (Srivastava et al. 2014), the same for the same noise, so that an objective stays a function of its arguments.</summary>
internal static class Dropout
{
    /// <summary>Zeros where a number is dropped and 1 / (1 - p) elsewhere, so that expectations stay.</summary>
    /// <param name="noise">What makes them; a datapoint's do not depend on its batch.</param>
    /// <param name="probability">p, from 0 to below 1.</param>
    /// <param name="shape">[T rows, size], the rows of the first position first, with one or several rows for each datapoint.</param>
    /// <param name="lane">Which of the places where a model drops numbers it is.</param>
    /// <param name="positions">T, the number of positions, each with numbers of its own.</param>
    public static Tensor Mask(Noise noise, double probability, Shape shape, int lane, int positions)
    {
        int rows = shape[0] / positions, samples = rows / noise.Datapoints.Length;
        Tensor normals = MemoryScope.Allocate(noise.Device, shape, noise.Device.Real, out Storage storage);
        for (int t = 0; t < positions; t++)
            noise.Device.FillNormal(
                noise.Stream.Fork((ulong)t), noise.Datapoints.Span, noise.Step, lane, 0, samples * shape[1], storage.Slice(t * rows * shape[1], rows * shape[1]));
        return (normals - Normal.InvCDF(0, 1, 1 - probability)).IsNegative() / (1 - probability);
    }
}
