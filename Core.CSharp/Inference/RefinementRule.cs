using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// What the ways of training <see cref="SemiAmortized"/> inference have in common: θ climbs the ELBO at λ_K, with samples that no step has seen, and φ what a rule says. The steps themselves
/// climb the same weighted objective as θ. With K = 0 all of them are the variational autoencoder.
/// </summary>
public abstract class RefinementRule : TrainingRule
{
    private readonly StepSchedule? _steps;
    private readonly bool _trainsModel;
    private int? _epoch;

    /// <summary>A rule whose number of steps may change in training.</summary>
    /// <param name="steps">K over the epochs; null for that of the method throughout.</param>
    /// <param name="trainsModel">Whether θ is trained, too; if not, the model stays as it is, and no derivatives with respect to its weights are computed.</param>
    private protected RefinementRule(StepSchedule? steps, bool trainsModel)
    {
        _steps = steps?.Checked();
        _trainsModel = trainsModel;
    }

    /// <inheritdoc/>
    public sealed override IReadOnlyList<int> Trained(Vae vae) => _trainsModel ? base.Trained(vae) : AllButModel(vae);

    /// <summary>What a rule's name says of a model that is not trained.</summary>
    private protected string Remark => _trainsModel ? "" : ", fixed model";

    /// <inheritdoc/>
    public sealed override TrainingRule At(int epoch)
    {
        if (_steps is null)
            return this;
        var copy = (RefinementRule)MemberwiseClone();
        copy._epoch = epoch;
        return copy;
    }

    /// <inheritdoc/>
    /// <exception cref="GapLabException">The inference method is not semi-amortized, or not what the rule is for; or a gradient is not finite.</exception>
    public sealed override Tensor Gradients(Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        if (vae.Inference is not SemiAmortized method)
            throw new GapLabException($"The rule '{Name}' cannot train '{vae.Inference.Name}'; use it with semi-amortized inference.");
        RequireFit(method);
        if (_steps is not null)
            method = method.WithSteps(_steps.At(_epoch ?? 0));
        RandomStream inner = stream.Fork(JointGradient.InferenceNoise);
        LocalParameters start = method.Start(vae.Model, vae.Family, x, inner, step);
        UnrolledAscent ascent = method.Ascent(vae.Family);
        IObjective Limited(IObjective objective) => _trainsModel ? objective : new LimitedObjective(objective, [.. vae.Family.Shared]);
        Func<int, IObjective> all = method.Steps(vae.Model, vae.Family, x, inner, step, weights), steps = k => Limited(all(k));
        InferenceTrace trace = ascent.Ascend(steps, start);

        IObjective final = Limited(method.Objective(vae.Model, vae.Family, x, stream, step, weights));
        (Tensor value, Tensor[] found) = GradientsAt(final, trace.Final, x.Count, withLambda: true, withParameters: true);
        Tensor[] lambda = found[..trace.Final.Blocks.Count], theta = found[lambda.Length..];
        Adjust(new Situation(vae, x, inner, step, ascent, steps, trace), lambda, theta);
        theta.CopyTo(gradients);
        if (gradients.Length > theta.Length)
            ThroughStart(start, lambda, [.. vae.Inference.Parameters], gradients[theta.Length..]);
        return value;
    }

    /// <summary>Checks that the method has what the rule trains.</summary>
    /// <exception cref="GapLabException">It does not.</exception>
    private protected abstract void RequireFit(SemiAmortized method);

    /// <summary>Turns derivatives of the batch mean at λ_K into those that θ and λ_0 get.</summary>
    /// <param name="situation">What there is.</param>
    /// <param name="lambda">The derivatives with respect to λ_K, replaced by or changed in place to those that λ_0 gets.</param>
    /// <param name="theta">The derivatives with respect to θ, which may be changed in place.</param>
    private protected abstract void Adjust(Situation situation, Tensor[] lambda, Tensor[] theta);

    /// <summary>The values and derivatives of the batch mean of an objective, in the scope of the caller.</summary>
    private protected static (Tensor Value, Tensor[] Gradients) GradientsAt(IObjective objective, LocalParameters lambda, int count, bool withLambda, bool withParameters)
    {
        using MemoryScope scope = MemoryScope.Enter();
        var point = new LocalParameters([.. lambda.Blocks.Select(scope.Copy)]);
        Tensor[] wanted = [.. withLambda ? point.Blocks : [], .. withParameters ? objective.Parameters : []];
        var found = new Tensor[wanted.Length];
        Tensor value = objective.Value(point);
        Gradient.Of(value, wanted, found, seed: Tensor.Filled(value.Device, value.Shape, 1.0 / count, value.Type));
        return (scope.Keep(value), [.. found.Select(scope.Keep)]);
    }

    /// <summary>φ's gradients from λ_0's.</summary>
    private static void ThroughStart(LocalParameters start, Tensor[] lambda, Tensor[] phi, Span<Tensor> gradients)
    {
        Tensor sum = default;
        for (int i = 0; i < lambda.Length; i++)
        {
            Tensor term = (start[i] * lambda[i]).Sum();
            sum = sum.IsDefined ? sum + term : term;
        }
        Gradient.Of(sum, phi, gradients);
    }

    /// <summary>One training step between its forward and its backward part.</summary>
    /// <param name="Vae">What is trained.</param>
    /// <param name="X">The batch.</param>
    /// <param name="Stream">The stream of the inference.</param>
    /// <param name="Step">The step of the stream.</param>
    /// <param name="Ascent">The steps on λ.</param>
    /// <param name="Objective">The objectives of the steps.</param>
    /// <param name="Trace">λ_0 .. λ_K.</param>
    private protected sealed record Situation(
        Vae Vae, Observations X, RandomStream Stream, int Step, UnrolledAscent Ascent, Func<int, IObjective> Objective, InferenceTrace Trace);
}
