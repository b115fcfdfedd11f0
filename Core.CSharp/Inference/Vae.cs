using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Models;

namespace GapLab.Inference;

/// <summary>What is trained together: a generative model, a family of approximate posteriors, and a way to find them.</summary>
/// <param name="Model">p(x, z; θ).</param>
/// <param name="Family">The family of q(z | x; λ).</param>
/// <param name="Inference">How λ is found.</param>
public sealed record Vae(GenerativeModel Model, VariationalFamily Family, InferenceMethod Inference)
{
    /// <summary>All learnt parameters: θ, the family's shared ones, φ.</summary>
    public IReadOnlyList<Tensor> Parameters { get; } = [.. Model.Parameters, .. Family.Shared, .. Inference.Parameters];

    /// <summary>The parameters' names, in the same order.</summary>
    public IReadOnlyList<string> ParameterNames { get; } = [.. Model.Parameters.Names, .. Family.Shared.Names, .. Inference.Parameters.Names];
}
