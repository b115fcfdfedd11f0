using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Semi-amortized inference (Kim et al. 2018): another method, such as an encoder, gives λ_0, and K steps of <see cref="UnrolledAscent"/> on the ELBO, each with fresh samples, improve it. From a
/// <see cref="FixedStart"/> it is stochastic variational inference (SVI). How it is trained is the business of <see cref="SemiAmortizedGradient"/> and <see cref="RefinedGradient"/>.
/// </summary>
/// <remarks>Unlike other iterated inference it does not bound log-variances, which the derivatives of the steps would not see. A datapoint's λ does not depend on its batch but in
/// training: elsewhere larger batches than those of training are computed in pieces of that size, so that they take no more memory.</remarks>
public sealed class SemiAmortized : InferenceMethod, IIterated
{
    /// <summary>Forked from the stream of an inference, then by the step: no other method forks it so.</summary>
    private const ulong StepNoise = 0x57E9;

    private readonly InferenceMethod _start;
    private SemiAmortizedOptions _options;

    /// <summary>Steps from where another method ends, whose parameters are φ.</summary>
    /// <param name="start">The other method.</param>
    /// <param name="options">The settings.</param>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    public SemiAmortized(InferenceMethod start, SemiAmortizedOptions options) : base(start.Parameters)
    {
        _start = start;
        _options = options.Checked();
    }

    /// <summary>The choice of this method, for the specification of an experiment.</summary>
    /// <param name="start">What gives λ_0.</param>
    /// <param name="options">The settings.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(Component<InferenceContext, InferenceMethod> start, SemiAmortizedOptions options) => new(
        "semi-amortized", revision: 1, new { start = start.ToJson(), options }, context => new SemiAmortized(start.Build(context), options));

    /// <inheritdoc/>
    public override string Name => $"{_options.Iterations} steps from {_start.Name}";

    /// <summary>The method that gives λ_0.</summary>
    public InferenceMethod StartMethod => _start;

    /// <summary>The settings.</summary>
    public SemiAmortizedOptions Options => _options;

    /// <inheritdoc/>
    public int Iterations => _options.Iterations;

    /// <inheritdoc/>
    public InferenceMethod WithIterations(int iterations) => WithSteps(iterations);

    /// <inheritdoc/>
    /// <exception cref="GapLabException">A gradient is not finite: names the block of λ and the step.</exception>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        Infer(model, family, x, stream, step, Start(model, family, x, stream, step));

    /// <inheritdoc/>
    /// <exception cref="GapLabException">A gradient is not finite: names the block of λ and the step.</exception>
    public InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, LocalParameters start)
    {
        UnrolledAscent ascent = Ascent(family);
        InferenceTrace Ascend(Observations rows, LocalParameters from) => ascent.Ascend(Steps(model, family, rows, stream, step, ObjectiveWeights.Elbo), from);
        // In training a batch is clipped as a whole, and where a tape is kept λ_0 must stay on it.
        if (x.Count <= _options.BatchSize || IsTraining || MemoryScope.IsRecording || MemoryScope.Current is null)
            return Ascend(x, start);
        var pieces = new List<Tensor>[Iterations + 1, family.LocalBlocks.Count];
        for (int first = 0; first < x.Count; first += _options.BatchSize)
        {
            using var scope = MemoryScope.Enter(record: false);
            int[] rows = [.. Enumerable.Range(first, Math.Min(_options.BatchSize, x.Count - first))];
            InferenceTrace trace = Ascend(x.Select(rows), start.Select(rows));
            for (int k = 0; k <= Iterations; k++)
                for (int i = 0; i < pieces.GetLength(1); i++)
                    (pieces[k, i] ??= []).Add(scope.Keep(trace.Points[k][i].Reshape(1, trace.Points[k][i].Count)));
        }
        return new InferenceTrace([.. Enumerable.Range(0, Iterations + 1).Select(k => new LocalParameters(
            [.. start.Blocks.Select((block, i) => Tensor.Concatenate(pieces[k, i].ToArray()).Reshape(block.Shape))]))]);
    }

    /// <summary>
    /// From the derivatives of a function of λ_K with respect to it those with respect to λ_0, through the steps of an inference. They are not clipped, and so exact where no step's gradient was.
    /// </summary>
    /// <param name="model">The model of the inference.</param>
    /// <param name="family">Its family.</param>
    /// <param name="x">Its batch.</param>
    /// <param name="stream">Its source of noise.</param>
    /// <param name="step">Its step of the stream.</param>
    /// <param name="trace">What it gave.</param>
    /// <param name="lambda">The derivatives with respect to λ_K, changed in place to those with respect to λ_0.</param>
    public void PullBack(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, InferenceTrace trace, ReadOnlySpan<Tensor> lambda)
    {
        Func<int, IObjective> steps = Steps(model, family, x, stream, step, ObjectiveWeights.Elbo);
        new UnrolledAscent(_options with { Clip = null }, family.LocalBlocks).PullBack(k => new LimitedObjective(steps(k), []), trace, lambda, []);
    }

    /// <summary>The same with another K, in training if this is.</summary>
    internal SemiAmortized WithSteps(int iterations)
    {
        var copy = (SemiAmortized)MemberwiseClone();
        copy._options = (_options with { Iterations = iterations }).Checked();
        return copy;
    }

    /// <summary>λ_0, on the tape of the current memory scope.</summary>
    internal LocalParameters Start(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        (IsTraining ? _start.InTraining() : _start).Infer(model, family, x, stream, step).Final;

    /// <summary>The ascent: at evaluation, no datapoint's steps depend on another's.</summary>
    internal UnrolledAscent Ascent(VariationalFamily family) =>
        new(IsTraining ? _options : _options with { Scope = ClipScope.Datapoint }, family.LocalBlocks);

    /// <summary>The source of the steps' samples, forked by the step, from the stream of an inference.</summary>
    internal static RandomStream StepNoiseOf(RandomStream stream) => stream.Fork(StepNoise);

    /// <summary>The objective of every step.</summary>
    /// <param name="model">p(x, z), whose running averages stay as they are: those of training are of λ_K.</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The stream of the inference.</param>
    /// <param name="step">The step of the stream.</param>
    /// <param name="weights">The weights of the objective's terms.</param>
    internal Func<int, IObjective> Steps(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, ObjectiveWeights weights)
    {
        GenerativeModel still = model.With(model.Parameters.WithScratchAverages());
        RandomStream steps = StepNoiseOf(stream);
        return k => Objective(still, family, x, steps.Fork((ulong)k), step, weights);
    }

    /// <summary>The objective at one point, with the samples of a stream.</summary>
    internal IObjective Objective(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, ObjectiveWeights weights) =>
        new ElboObjective(TrainingRule.Dropping(model, x, stream, step), family, x, new Noise(x, stream, _options.Samples, step), weights, KlForm.Analytic);
}
