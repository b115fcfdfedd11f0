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
/// <param name="trainsModel">Whether θ is trained, too; if not, the model stays as it is, and no gradients of its weights are computed.</param>
public sealed class JointGradient(int samples = 1, KlForm form = KlForm.Analytic, bool trainsModel = true) : TrainingRule
{
    /// <summary>Inference that samples must not see the noise that its result is judged by.</summary>
    internal const ulong InferenceNoise = 1;

    /// <summary>The choice of this rule, for the specification of an experiment.</summary>
    /// <param name="samples">Samples of q for each datapoint.</param>
    /// <param name="form">How the KL terms are evaluated.</param>
    /// <param name="trainsModel">Whether θ is trained, too.</param>
    public static Component<Vae, TrainingRule> Choice(int samples = 1, KlForm form = KlForm.Analytic, bool trainsModel = true) => new(
        "joint-gradient", revision: 1, new { samples, form, trainsModel = trainsModel ? (bool?)null : false }, _ => new JointGradient(samples, form, trainsModel));

    /// <inheritdoc/>
    public override string Name => $"joint gradient, {samples} sample{(samples == 1 ? "" : "s")}, {form} KL{(trainsModel ? "" : ", fixed model")}";

    /// <inheritdoc/>
    public override IReadOnlyList<int> Trained(Vae vae) =>
        trainsModel ? base.Trained(vae) : AllButModel(vae);

    /// <inheritdoc/>
    /// <exception cref="GapLabException">The inference method makes steps from an encoder, which this rule would not train.</exception>
    public override Tensor Gradients(Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        if (vae.Inference is SemiAmortized { Iterations: > 0, Parameters.Count: > 0 })
            throw new GapLabException($"The rule of the variational autoencoder cannot train '{vae.Inference.Name}', whose encoder is not where the steps end; use SemiAmortizedGradient or RefinedGradient.");
        LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream.Fork(InferenceNoise), step).Final;
        Tensor value = new ElboObjective(Dropping(vae.Model, x, stream, step), vae.Family, x, new Noise(x, stream, samples, step), weights, form).Value(lambda);
        Tensor mean = Tensor.Filled(value.Device, value.Shape, 1.0 / x.Count, value.Type);
        Gradient.Of(value, (Tensor[])[.. Trained(vae).Select(i => vae.Parameters[i])], gradients, seed: mean);
        return value;
    }
}
