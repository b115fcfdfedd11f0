using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Objectives;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The rule of the variational autoencoder: the ELBO at the inferred λ, differentiated with respect to θ, the shared parameters and, through λ, φ.
/// </summary>
/// <param name="samples">Samples of q for each datapoint.</param>
/// <param name="form">How the KL terms are evaluated.</param>
public sealed class JointGradient(int samples = 1, KlForm form = KlForm.Analytic) : TrainingRule
{
    /// <summary>Inference that samples must not see the noise that its result is judged by.</summary>
    private const ulong InferenceNoise = 1;

    /// <summary>The choice of this rule, for the specification of an experiment.</summary>
    /// <param name="samples">Samples of q for each datapoint.</param>
    /// <param name="form">How the KL terms are evaluated.</param>
    public static Component<Vae, TrainingRule> Choice(int samples = 1, KlForm form = KlForm.Analytic) =>
        new("joint-gradient", revision: 1, new { samples, form }, _ => new JointGradient(samples, form));

    /// <inheritdoc/>
    public override string Name => $"joint gradient, {samples} sample{(samples == 1 ? "" : "s")}, {form} KL";

    /// <inheritdoc/>
    public override Tensor Gradients(Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream.Fork(InferenceNoise), step).Final;
        Tensor value = new ElboObjective(vae.Model, vae.Family, x, new Noise(x, stream, samples, step), weights, form).Value(lambda);
        Tensor mean = Tensor.Filled(value.Device, value.Shape, 1.0 / x.Count, value.Type);
        Gradient.Of(value, (Tensor[])[.. vae.Parameters], gradients, seed: mean);
        return value;
    }
}
