using System.Text.Json.Serialization;

namespace GapLab.Training;

/// <summary>What a model reaches on held-out data, averaged over datapoints, in nats. All come from the same samples of q, so that Elbo = Reconstruction - Kl.</summary>
/// <param name="Elbo">E[log p(x, z) - log q(z | x)].</param>
/// <param name="Kl">E[log q(z | x) - log p(z)].</param>
/// <param name="Reconstruction">E[log p(x | z)].</param>
/// <param name="Iwae">The importance-weighted bound of the samples; at least Elbo.</param>
[method: JsonConstructor]
public readonly record struct ValidationScores(double Elbo, double Kl, double Reconstruction, double Iwae)
{
    /// <summary>The scores where there are no held-out data: NaN.</summary>
    public static ValidationScores None { get; } = new(double.NaN, double.NaN, double.NaN, double.NaN);
}
