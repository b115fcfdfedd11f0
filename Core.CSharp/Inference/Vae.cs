using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Models;

namespace GapLab.Inference;

/// <summary>What is trained together: a generative model, a family of approximate posteriors, and a way to find them.</summary>
/// <param name="model">p(x, z; θ).</param>
/// <param name="family">The family of q(z | x; λ).</param>
/// <param name="inference">How λ is found.</param>
public sealed class Vae(GenerativeModel model, VariationalFamily family, InferenceMethod inference)
{
    /// <summary>p(x, z; θ).</summary>
    public GenerativeModel Model { get; } = model;

    /// <summary>The family of q(z | x; λ).</summary>
    public VariationalFamily Family { get; } = family;

    /// <summary>How λ is found.</summary>
    public InferenceMethod Inference { get; } = inference;

    /// <summary>All learnt parameters: θ, the family's shared ones, φ.</summary>
    public IReadOnlyList<Tensor> Parameters { get; } = [.. model.Parameters, .. family.Shared, .. inference.Parameters];

    /// <summary>The parameters' names, in the same order.</summary>
    public IReadOnlyList<string> ParameterNames { get; } = [.. model.Parameters.Names, .. family.Shared.Names, .. inference.Parameters.Names];

    /// <summary>The same, of the same parameters, as training steps use it; see <see cref="GenerativeModel.InTraining"/>.</summary>
    public Vae InTraining() => new(Model.InTraining(), Family, Inference.InTraining());
}
