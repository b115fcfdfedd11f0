using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// The E-step of stochastic variational EM: λ_{t+1} = λ_t + step(∂L/∂λ), from the family's own start, with the same number of steps for every datapoint (Marino et al.
/// 2018, section 3.1). It has no learnt parameters; trained with <see cref="JointGradient"/>, it is variational EM. The gradient of the ELBO with analytic KL terms is that
/// of fresh samples in each step; log-variances stay within ±15.
/// </summary>
/// <param name="device">Where it computes.</param>
/// <param name="options">The settings.</param>
/// <exception cref="GapLabException">A number is out of its range.</exception>
public sealed class VariationalEm(Device device, VariationalEmOptions options) : InferenceMethod(new ParameterSet(device)), IIterated
{
    private readonly VariationalEmOptions _options = options.Iterations >= 0 && options.Samples >= 1 && options.StepSize > 0 && double.IsFinite(options.StepSize)
        ? options
        : throw new GapLabException($"Variational EM needs 0 steps or more, at least 1 sample and a positive step size, not {options.Iterations}, {options.Samples} and {options.StepSize}.");

    /// <summary>The choice of this method, for the specification of an experiment.</summary>
    /// <param name="options">The settings.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(VariationalEmOptions options) =>
        new("variational-em", revision: 1, options, context => new VariationalEm(context.Model.Device, options));

    /// <inheritdoc/>
    public override string Name => $"variational EM, {_options.Iterations} steps of {_options.Rule} with step size {_options.StepSize}";

    /// <inheritdoc/>
    public int Iterations => _options.Iterations;

    /// <inheritdoc/>
    public InferenceMethod WithIterations(int iterations) => new VariationalEm(Parameters.Device, _options with { Iterations = iterations });

    /// <inheritdoc/>
    /// <exception cref="GapLabException">A gradient is not finite: names the block of λ and the step.</exception>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        Infer(model, family, x, stream, step, family.InitialLocalParameters(x.Count));

    /// <inheritdoc/>
    /// <exception cref="GapLabException">A gradient is not finite: names the block of λ and the step.</exception>
    public InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, LocalParameters start)
    {
        var trace = new LocalParameters[_options.Iterations + 1];
        trace[0] = start;
        Tensor[] present = [.. start.Blocks.Select(block => block.ToOwned())];
        Optimizer optimizer = OptimizerOf(present);
        var gradients = new Tensor[present.Length];
        for (int t = 0; t < _options.Iterations; t++)
        {
            using (MemoryScope.Enter())
            {
                var noise = new Noise(x, stream.Fork((ulong)t), _options.Samples, step);
                new ElboObjective(model, family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic).Gradient(new LocalParameters(present), gradients);
                GradientCheck.RequireFinite("Variational EM", family.LocalBlocks, gradients, t + 1, "use a smaller step size");
                optimizer.Ascend(gradients);
                for (int i = 0; i < present.Length; i++)
                    if (family.LocalBlocks[i].IsLogVariance)
                        present[i].Assign(LogVarianceBound.Apply(present[i]));
            }
            trace[t + 1] = new LocalParameters(present).ToOwned();
        }
        return new InferenceTrace(trace);
    }

    private Optimizer OptimizerOf(Tensor[] lambda) => _options.Rule switch
    {
        AscentRule.Sgd => new Sgd(lambda, _options.StepSize),
        AscentRule.Momentum => new Sgd(lambda, _options.StepSize, momentum: 0.9),
        AscentRule.RmsProp => new RmsProp(lambda, _options.StepSize),
        _ => new Adam(lambda, new AdamOptions { LearningRate = _options.StepSize }),
    };
}
