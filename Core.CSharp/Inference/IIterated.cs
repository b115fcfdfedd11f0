using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>Inference that moves λ a number of times, and can do so more or fewer times than it was made for.</summary>
public interface IIterated
{
    /// <summary>K, the number of updates.</summary>
    int Iterations { get; }

    /// <summary>The same inference with another number of updates: λ₀, ..., λ_k are the same as far as both go.</summary>
    /// <param name="iterations">K, 0 or more.</param>
    InferenceMethod WithIterations(int iterations);

    /// <summary>The trace from a given λ₀, such as the estimate for a similar datapoint or for the frame before.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="step">The step of the stream.</param>
    /// <param name="start">λ₀.</param>
    InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, LocalParameters start);
}
