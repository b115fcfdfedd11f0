using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The rules that train <see cref="SemiAmortized"/> inference without derivatives of its steps (Kim et al. 2018, section 4): θ climbs ELBO(λ_K) with λ_K taken as a constant, and the encoder has a
/// target of its own. They are the baselines SVI, VAE+SVI and VAE+SVI+KL of <see cref="SemiAmortizedGradient"/>.
/// </summary>
/// <param name="encoder">What trains the encoder.</param>
/// <param name="steps">K over the epochs of training; null for that of the method throughout.</param>
/// <param name="trainsModel">Whether θ is trained, too.</param>
/// <exception cref="GapLabException">A number is out of its range.</exception>
public sealed class RefinedGradient(EncoderTarget encoder, StepSchedule? steps = null, bool trainsModel = true) : RefinementRule(steps, trainsModel)
{
    private const ulong DivergenceNoise = 0xD17;

    /// <summary>The choice of this rule, for the specification of an experiment.</summary>
    /// <param name="encoder">What trains the encoder.</param>
    /// <param name="steps">K over the epochs of training.</param>
    /// <param name="trainsModel">Whether θ is trained, too.</param>
    public static Component<Vae, TrainingRule> Choice(EncoderTarget encoder, StepSchedule? steps = null, bool trainsModel = true) => new(
        "refined-gradient", revision: 1, new { encoder, steps, trainsModel = trainsModel ? (bool?)null : false }, _ => new RefinedGradient(encoder, steps, trainsModel));

    /// <inheritdoc/>
    public override string Name => TargetName + Remark;

    private string TargetName => encoder switch
    {
        EncoderTarget.None => "SVI",
        EncoderTarget.Elbo => "VAE+SVI",
        EncoderTarget.Divergence => "VAE+SVI+KL",
        _ => "VAE+SVI+KL, reverse",
    };

    private protected override void RequireFit(SemiAmortized method)
    {
        bool hasEncoder = method.Parameters.Count > 0;
        if (hasEncoder != (encoder != EncoderTarget.None))
            throw new GapLabException(
                $"The rule '{Name}' is for semi-amortized inference {(hasEncoder ? "without" : "with")} an encoder, which '{method.Name}' is not; {(hasEncoder ? "start at a fixed λ, or choose what trains the encoder" : "start at an encoder's λ, or use the rule of SVI")}.");
    }

    private protected override void Adjust(Situation situation, Tensor[] lambda, Tensor[] theta)
    {
        LocalParameters start = situation.Trace.Points[0], final = situation.Trace.Final;
        // Without steps λ_K is λ_0, whose ELBO has been differentiated already.
        if (encoder == EncoderTarget.None || (encoder == EncoderTarget.Elbo && situation.Trace.Points.Count == 1))
            return;
        Tensor[] found = encoder == EncoderTarget.Elbo
            ? GradientsAt(situation.Objective(0), start, situation.X.Count, withLambda: true, withParameters: false).Gradients
            : Approach(situation, start, final);
        found.CopyTo(lambda, 0);
    }

    /// <summary>The derivatives with respect to λ_0 of minus the divergence's batch mean.</summary>
    private Tensor[] Approach(Situation situation, LocalParameters start, LocalParameters final)
    {
        (Vae vae, Observations x) = (situation.Vae, situation.X);
        using MemoryScope scope = MemoryScope.Enter();
        var point = new LocalParameters([.. start.Blocks.Select(scope.Copy)]);
        var target = new LocalParameters([.. final.Blocks.Select(scope.Copy)]);
        var noise = new Noise(x, situation.Stream.Fork(DivergenceNoise), 1, situation.Step);
        Tensor divergence = encoder == EncoderTarget.Divergence
            ? vae.Family.Divergence(point, target, vae.Model, noise)
            : vae.Family.Divergence(target, point, vae.Model, noise);
        var found = new Tensor[point.Blocks.Count];
        Gradient.Of(divergence, [.. point.Blocks], found, seed: Tensor.Filled(divergence.Device, divergence.Shape, -1.0 / x.Count, divergence.Type));
        return [.. found.Select(scope.Keep)];
    }
}
