using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Objectives;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Iterative inference (Marino, Yue and Mandt 2018): from λ₀, where q is as close to the prior as the family can be, a network improves λ step by step,
/// <code>
/// λ_{t+1} = f(x, ∂L/∂λ_t, errors_t, λ_t; φ),  L the ELBO of one datapoint with fresh samples
/// </code>
/// for as long as one likes: K iterations in training, others at test time. What the network sees (<see cref="IterativeOptions"/>) is taken as given: no derivative flows
/// through it to earlier iterations, but through the state of a recurrent network. The gradients are those of each datapoint's own ELBO, so that an update does not depend on
/// the batch; the papers' code uses those of the negative average over the batch.
/// </summary>
/// <remarks>
/// For a hierarchy the network is flat, or made of one network for each level that run bottom-up (<see cref="IterativeOptions.Levels"/>). With batch normalisation an update does depend on the
/// batch in training, as it must.
/// </remarks>
public sealed class Iterative : InferenceMethod, IIterated
{
    /// <summary>The key of the noise of λ₀; iteration t has the key t.</summary>
    private const ulong StartNoise = ulong.MaxValue;

    private readonly IterativeNetwork _network;
    private IterativeOptions _options;

    /// <summary>A network with freshly initialised weights.</summary>
    /// <param name="model">The model whose latent variables and data it sees errors of.</param>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="options">The settings.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">Layers for another number of levels than the family has, or deterministic units at the top.</exception>
    /// <exception cref="GapLabException">The network would see nothing, a level of the family has no means, or a number is out of its range.</exception>
    public Iterative(GenerativeModel model, VariationalFamily family, int dataSize, IterativeOptions options, RandomStream stream)
        : base(new ParameterSet(model.Device))
    {
        _options = options;
        if (options.Iterations < 0 || options.Samples < 1 || !(options.LogOffset > 0))
            throw new GapLabException(
                $"Iterative inference needs 0 iterations or more, at least 1 sample and a positive offset in the logarithm, not {options.Iterations}, {options.Samples} and {options.LogOffset}.");
        _network = new IterativeNetwork(Parameters, model, family, dataSize, options, stream);
        string layers = options.Levels is null
            ? string.Join('-', [_network.Inputs, .. options.Hidden])
            : $"level by level {string.Join(" / ", options.Levels.Select(level => string.Join('-', [.. level.Hidden]) + (level.Deterministic > 0 ? $"+{level.Deterministic}" : "")))}";
        Name = $"iterative {layers} of {string.Join(", ", Seen(options))}{(options.Recurrent ? "-LSTM" : "")}, {options.Update.ToString().ToLowerInvariant()}, trained with {options.Iterations} iteration{(options.Iterations == 1 ? "" : "s")}";
    }

    private static IEnumerable<string> Seen(IterativeOptions options)
    {
        if (options.Data)
            yield return "x";
        if (options.BottomUpErrors != ErrorEncoding.None || options.TopDownErrors != ErrorEncoding.None)
            yield return options.BottomUpErrors == ErrorEncoding.Weighted || options.TopDownErrors == ErrorEncoding.Weighted ? "weighted ε" : "ε";
        if (options.Gradients != GradientEncoding.None)
            yield return options.Gradients switch { GradientEncoding.LogSign => "log and sign of ∇L", GradientEncoding.Raw => "∇L", _ => "the direction of ∇L" };
        if (options.Estimates)
            yield return "λ";
    }

    /// <summary>The choice of iterative inference, for the specification of an experiment.</summary>
    /// <param name="options">The settings.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(IterativeOptions options) => new(
        "iterative", revision: 1, options, context => new Iterative(context.Model, context.Family, context.DataSize, options, context.Stream));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The settings.</summary>
    public IterativeOptions Options => _options;

    /// <inheritdoc/>
    public int Iterations => _options.Iterations;

    /// <inheritdoc/>
    public InferenceMethod WithIterations(int iterations)
    {
        if (iterations < 0)
            throw new GapLabException($"Iterative inference cannot make {iterations} iterations; ask for 0 or more.");
        var copy = (Iterative)MemberwiseClone();
        copy._options = _options with { Iterations = iterations };
        return copy;
    }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        Infer(model, family, x, stream, step, Start(model, family, x, stream, step));

    /// <summary>The trace from a given λ₀, such as the estimate for a similar datapoint or for the frame before.</summary>
    /// <param name="model">p(x, z).</param>
    /// <param name="family">The family of q.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="step">The step of the stream.</param>
    /// <param name="start">λ₀.</param>
    public InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, LocalParameters start)
    {
        var points = new LocalParameters[_options.Iterations + 1];
        points[0] = start;
        IterativeState state = InitialState(x);
        for (int t = 0; t < _options.Iterations; t++)
        {
            (IterativeView view, LocalParameters before) = Look(Objective(model, family, x, stream, step, t), family, x, points[t], t + 1);
            (points[t + 1], state) = Update(view, before, state);
        }
        return new InferenceTrace(points);
    }

    /// <summary>λ₀, a constant in the scope of the caller.</summary>
    internal LocalParameters Start(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        using MemoryScope scope = MemoryScope.Enter(record: false);
        return new([.. family.PriorLocalParameters(model, new Noise(x, stream.Fork(StartNoise), _options.Samples, step)).Blocks.Select(scope.Keep)]);
    }

    /// <summary>What the network sees at λ before an iteration, counted from 1, and λ, both as constants in the scope of the caller.</summary>
    internal (IterativeView View, LocalParameters Lambda) Look(ElboObjective objective, VariationalFamily family, Observations x, LocalParameters lambda, int iteration)
    {
        using MemoryScope scope = MemoryScope.Enter();
        LocalParameters given = Detached(scope, lambda);
        ElboEvaluation evaluation = objective.Evaluate(given);
        var gradients = new Tensor[_options.Gradients == GradientEncoding.None ? 0 : given.Blocks.Count];
        if (gradients.Length > 0)
            Gradient.Of(evaluation.Value, [.. given.Blocks], gradients);
        IterativeView view = ViewOf(evaluation, family, x, given, gradients, iteration);
        return (view.Map(scope.Keep), new LocalParameters([.. given.Blocks.Select(scope.Keep)]));
    }

    /// <summary>The ELBO after t updates, with the samples that belong to it.</summary>
    internal ElboObjective Objective(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, int t, ObjectiveWeights? weights = null) =>
        new(model, family, x, new Noise(x, stream.Fork((ulong)t), _options.Samples, step), weights ?? ObjectiveWeights.Elbo, KlForm.Analytic);

    /// <summary>The network's state before the first iteration.</summary>
    internal IterativeState InitialState(Observations x) => _network.InitialState(x.Device, x.Count);

    /// <summary>λ_{t+1}, and the state that a recurrent network hands on.</summary>
    internal (LocalParameters Lambda, IterativeState State) Update(IterativeView view, LocalParameters lambda, IterativeState state) =>
        _network.Update(Parameters, view, lambda, state, IsTraining);

    /// <summary>What the network sees of an evaluation of the objective.</summary>
    /// <param name="evaluation">The evaluation.</param>
    /// <param name="family">The family whose λ it is.</param>
    /// <param name="x">The batch.</param>
    /// <param name="lambda">Where it was made.</param>
    /// <param name="gradients">∂L/∂λ, one tensor for each block; not used where the network does not see them.</param>
    /// <param name="iteration">The iteration that it is for, from 1.</param>
    /// <exception cref="GapLabException">A gradient that the network would see is not finite: names the block of λ and the iteration.</exception>
    internal IterativeView ViewOf(ElboEvaluation evaluation, VariationalFamily family, Observations x, LocalParameters lambda, Tensor[] gradients, int iteration)
    {
        if (_options.Gradients != GradientEncoding.None)
            GradientCheck.RequireFinite("Iterative inference", family.LocalBlocks, gradients, iteration, "train with a smaller learning rate, or look for numbers in the data that the model cannot explain");
        bool errorsGoUp = _network.Stages > 1 && _options.BottomUpErrors != ErrorEncoding.None;
        DiagonalGaussian[] priors = errorsGoUp || _options.TopDownErrors != ErrorEncoding.None ? GaussiansOf(evaluation) : [];
        IReadOnlyList<Tensor> z = evaluation.Sample.Latents.Levels;
        Tensor[] topDown = _options.TopDownErrors == ErrorEncoding.None ? [] : [.. z.Select((sample, level) => TopDown(sample, priors[level]))];
        var encodings = new Tensor[_network.Stages];
        for (int s = 0; s < encodings.Length; s++)
        {
            var parts = new List<Tensor>();
            if (s == 0 && _options.Data)
                parts.Add(x.Features - 0.5);
            if (s == 0 && _options.BottomUpErrors != ErrorEncoding.None)
                parts.Add(BottomUp(evaluation.Output, x));
            parts.AddRange(encodings.Length == 1 || topDown.Length == 0 ? topDown : [topDown[s]]);
            if (_options.Estimates)
                parts.AddRange(_network.BlocksOf(s).Select(block => lambda[block]));
            if (_options.Gradients != GradientEncoding.None)
                parts.AddRange(_network.BlocksOf(s).Select(block => Encode(gradients[block])));
            if (parts.Count > 0)
                encodings[s] = Tensor.Concatenate([.. parts]);
        }
        if (!errorsGoUp)
            return new IterativeView(encodings, [], []);
        var precisions = new Tensor[encodings.Length - 1];
        var pulls = new Tensor[precisions.Length];
        for (int level = 0; level < precisions.Length; level++)
        {
            Tensor precision = _options.BottomUpErrors == ErrorEncoding.Weighted ? (-priors[level].LogVariance).Exp() : Tensor.Filled(x.Device, new Shape(1), 1);
            Tensor OverSamples(Tensor value) => value.BroadcastTo(z[level].Shape).Mean(1);
            precisions[level] = OverSamples(precision);
            pulls[level] = OverSamples(precision * priors[level].Mean);
        }
        return new IterativeView(encodings, precisions, pulls);
    }

    /// <summary>Copies of λ that are constants to what is computed from them.</summary>
    internal static LocalParameters Detached(MemoryScope scope, LocalParameters lambda) => new([.. lambda.Blocks.Select(scope.Copy)]);

    private Tensor BottomUp(OutputDistribution output, Observations x) =>
        _options.BottomUpErrors == ErrorEncoding.Plain ? x.Values - output.Mean.Mean(1) : output.Error(x).Mean(1);

    private Tensor TopDown(Tensor z, DiagonalGaussian prior)
    {
        Tensor error = z - prior.Mean;
        return (_options.TopDownErrors == ErrorEncoding.Weighted ? error * (-prior.LogVariance).Exp() : error).Mean(1);
    }

    private static DiagonalGaussian[] GaussiansOf(ElboEvaluation evaluation) =>
        [.. evaluation.Priors.Select(prior => prior as DiagonalGaussian
            ?? throw new GapLabException("Iterative inference: errors of latent variables are defined for Gaussian priors; let the network see gradients instead."))];

    private Tensor Encode(Tensor g)
    {
        switch (_options.Gradients)
        {
            case GradientEncoding.Raw:
                return g;
            case GradientEncoding.Normalized:
                // A datapoint whose gradient is zero keeps it.
                return g * (g.Square().Sum(1) + 1e-30).Sqrt().Reciprocal().Reshape(g.Shape[0], 1);
            default:
                Tensor magnitude = g - 2 * g.NegativePart();
                Tensor sign = (-g).IsNegative() - g.IsNegative();
                return Tensor.Concatenate(_options.LogScale * (magnitude + _options.LogOffset).Log(), sign);
        }
    }
}
