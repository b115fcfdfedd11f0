using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>How q(z | x) is found for given data: from λ₀ to λ_K. Which derivatives of the trace train which parameters is the business of a <see cref="TrainingRule"/>.</summary>
/// <param name="parameters">φ, the learnt parameters; an empty set for methods without any.</param>
public abstract class InferenceMethod(ParameterSet parameters)
{
    /// <summary>φ, the learnt parameters of inference.</summary>
    public ParameterSet Parameters { get; } = parameters;

    /// <summary>Whether this is the method as training steps use it, see <see cref="InTraining"/>; what layers that work otherwise in training must be told.</summary>
    public bool IsTraining { get; private set; }

    /// <summary>The method in a few words, for tables and provenance.</summary>
    public abstract string Name { get; }

    /// <summary>The trace λ₀, ..., λ_K for a batch, on the tape of the current memory scope.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise for methods that sample.</param>
    /// <param name="step">The step of the stream.</param>
    public abstract InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step);

    /// <summary>The same method, of the same parameters, as training steps use it; see <see cref="GenerativeModel.InTraining"/>.</summary>
    public InferenceMethod InTraining()
    {
        var copy = (InferenceMethod)MemberwiseClone();
        copy.IsTraining = true;
        return copy;
    }
}
