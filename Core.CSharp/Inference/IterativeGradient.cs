using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The rule of iterative inference models (Marino et al. 2018, appendix B.3): φ and the family's shared parameters climb the average of the ELBOs after each of the K
/// iterations, θ the ELBO after the last one or the same average. A feed-forward network's iterations are differentiated one by one, in memory that does not grow with
/// their number; a recurrent one by going back through all of them.
/// </summary>
/// <param name="theta">Which ELBO trains θ.</param>
public sealed class IterativeGradient(ThetaGradient theta = ThetaGradient.LastIteration) : TrainingRule
{
    /// <summary>The choice of this rule, for the specification of an experiment.</summary>
    /// <param name="theta">Which ELBO trains θ.</param>
    public static Component<Vae, TrainingRule> Choice(ThetaGradient theta = ThetaGradient.LastIteration) =>
        new("iterative-gradient", revision: 1, new { theta }, _ => new IterativeGradient(theta));

    /// <inheritdoc/>
    public override string Name => $"iterative gradient, θ from the {(theta == ThetaGradient.LastIteration ? "last iteration" : "average")}";

    /// <inheritdoc/>
    /// <exception cref="GapLabException">The inference method is not iterative, or makes no iterations.</exception>
    public override Tensor Gradients(Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        if (vae.Inference is not Iterative method || method.Options.Iterations == 0)
            throw new GapLabException($"The rule for iterative inference cannot train '{vae.Inference.Name}'; use it with an iterative method of at least one iteration.");
        return method.Options.Recurrent
            ? ThroughTime(method, vae, x, stream, step, weights, gradients)
            : OneByOne(method, vae, x, stream, step, weights, gradients);
    }

    private Tensor OneByOne(Iterative method, Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        int iterations = method.Options.Iterations, decoder = vae.Model.Parameters.Count;
        Tensor[] parameters = [.. vae.Parameters];
        // What one iteration hands to the next lies in places that all of them use.
        GenerativeModel looked = Looked(vae.Model);
        var sums = new GradientSums(parameters);
        (IterativeView view, LocalParameters carried) = method.Look(
            method.Objective(looked, vae.Family, x, stream, step, 0, weights), vae.Family, x, method.Start(looked, vae.Family, x, stream, step), 1);
        Tensor last = default;
        for (int t = 1; t <= iterations; t++)
        {
            bool isLast = t == iterations;
            using MemoryScope scope = MemoryScope.Enter();
            (LocalParameters lambda, _) = method.Update(view.Map(scope.Copy), Iterative.Detached(scope, carried), method.InitialState(x));
            ElboEvaluation evaluation = method.Objective(isLast ? vae.Model : looked, vae.Family, x, stream, step, t, weights).Evaluate(lambda);
            // θ's gradients are computed only in iterations that train it.
            int first = isLast || theta == ThetaGradient.Average ? 0 : decoder;
            Tensor[] wanted = [.. parameters.AsSpan(first), .. lambda.Blocks];
            var found = new Tensor[wanted.Length];
            Gradient.Of(evaluation.Value, wanted, found);
            int others = Math.Max(first, decoder);
            sums.Add(first, found.AsSpan(0, others - first), 1.0 / ((theta == ThetaGradient.LastIteration ? 1 : iterations) * x.Count));
            sums.Add(others, found.AsSpan(others - first, parameters.Length - others), 1.0 / (iterations * x.Count));
            if (isLast)
            {
                last = scope.Keep(evaluation.Value);
                continue;
            }
            view.Assign(method.ViewOf(evaluation, vae.Family, x, lambda, found[^lambda.Blocks.Count..], t + 1));
            for (int i = 0; i < carried.Blocks.Count; i++)
                carried[i].Assign(lambda[i]);
        }
        sums.CopyTo(gradients);
        return last;
    }

    /// <summary>
    /// The model as it is before the last iteration: what it computes there must not move the running averages of its batch normalisation, which bounds and later inference take for those of
    /// λ_K. The averages of the inference network are of all iterations, since all use it.
    /// </summary>
    private static GenerativeModel Looked(GenerativeModel model) => model.With(model.Parameters.WithScratchAverages());

    private Tensor ThroughTime(Iterative method, Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients)
    {
        int iterations = method.Options.Iterations, decoder = vae.Model.Parameters.Count;
        GenerativeModel looked = Looked(vae.Model);
        LocalParameters lambda = method.Start(looked, vae.Family, x, stream, step);
        IterativeState state = method.InitialState(x);
        Tensor sum = default, last = default;
        for (int t = 1; t <= iterations; t++)
        {
            (IterativeView view, LocalParameters before) = method.Look(method.Objective(looked, vae.Family, x, stream, step, t - 1, weights), vae.Family, x, lambda, t);
            (lambda, state) = method.Update(view, before, state);
            last = method.Objective(t == iterations ? vae.Model : looked, vae.Family, x, stream, step, t, weights).Value(lambda);
            sum = sum.IsDefined ? sum + last : last;
        }
        Tensor[] parameters = [.. vae.Parameters];
        Tensor Share(Tensor value, double count) => Tensor.Filled(value.Device, value.Shape, 1 / (count * x.Count), value.Type);
        Gradient.Of(sum, parameters, gradients, Share(sum, iterations));
        if (theta == ThetaGradient.LastIteration)
            Gradient.Of(last, parameters.AsSpan(0, decoder), gradients[..decoder], Share(last, 1));
        return last;
    }
}
