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
/// Iterative inference (Marino, Yue and Mandt 2018): from λ₀, the family's start, a network improves λ step by step,
/// <code>
/// λ_{t+1} = f(x, ∂L/∂λ_t, errors_t, λ_t; φ),  L the ELBO of one datapoint with fresh samples
/// </code>
/// for as long as one likes: K iterations in training, others at test time. What the network sees (<see cref="IterativeOptions"/>) is taken as given: no derivative flows
/// through it to earlier iterations, but through the state of a recurrent network. The gradients are those of each datapoint's own ELBO, so that an update does not depend on
/// the batch; the papers' code uses those of the negative average over the batch.
/// </summary>
public sealed class Iterative : InferenceMethod
{
    /// <summary>Log-variances stay within ±15: a wrong update must not make the next ELBO infinite.</summary>
    private const double LargestLogVariance = 15;

    private readonly IterativeOptions _options;
    private readonly Mlp? _hidden;
    private readonly HighwayMlp? _highway;
    private readonly LstmCell? _cell;
    private readonly Linear[] _values;
    private readonly Linear[] _gates;
    private readonly bool[] _bounded;

    /// <summary>A network with freshly initialised weights.</summary>
    /// <param name="model">The model whose latent variables and data it sees errors of.</param>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="options">The settings.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="GapLabException">The network would see nothing, or a number is out of its range.</exception>
    public Iterative(GenerativeModel model, VariationalFamily family, int dataSize, IterativeOptions options, RandomStream stream)
        : base(new ParameterSet(model.Device))
    {
        _options = options;
        int lambda = family.LocalBlocks.Sum(block => block.Size), latent = model.LatentSizes.Sum();
        int width = (options.Data ? dataSize : 0)
            + (options.BottomUpErrors == ErrorEncoding.None ? 0 : dataSize)
            + (options.TopDownErrors == ErrorEncoding.None ? 0 : latent)
            + (options.Estimates ? lambda : 0)
            + options.Gradients switch { GradientEncoding.None => 0, GradientEncoding.LogSign => 2 * lambda, _ => lambda };
        if (width == 0)
            throw new GapLabException("Iterative inference: the network would see nothing; let it see the data, gradients, errors or the present λ.");
        if (options.Iterations < 0 || options.Samples < 1 || !(options.LogOffset > 0))
            throw new GapLabException(
                $"Iterative inference needs 0 iterations or more, at least 1 sample and a positive offset in the logarithm, not {options.Iterations}, {options.Samples} and {options.LogOffset}.");
        if (options.Highway)
            _highway = new HighwayMlp(Parameters, "iterative", width, options.Hidden, Activation.Elu, stream);
        else
            _hidden = new Mlp(Parameters, "iterative", width, options.Hidden, Activation.Elu, stream);
        int features = _highway?.Outputs ?? _hidden!.Outputs;
        _cell = options.Recurrent ? new LstmCell(Parameters, "iterative.cell", features, features, stream) : null;
        Linear[] Heads(string kind) =>
            [.. family.LocalBlocks.Select(block => new Linear(Parameters, $"iterative.{block.Name}{kind}", features, block.Size, Activation.Identity, stream))];
        _values = Heads("");
        _gates = options.Update == IterativeUpdate.Gated ? Heads(".gate") : [];
        _bounded = [.. family.LocalBlocks.Select(block => block.IsLogVariance)];
        Name = $"iterative {string.Join('-', [width, .. options.Hidden])}{(options.Recurrent ? "-LSTM" : "")}, {options.Update.ToString().ToLowerInvariant()}, {options.Iterations} iterations";
    }

    private Iterative(Iterative other, int iterations) : base(other.Parameters)
    {
        (_hidden, _highway, _cell, _values, _gates, _bounded) = (other._hidden, other._highway, other._cell, other._values, other._gates, other._bounded);
        _options = other._options with { Iterations = iterations };
        Name = other.Name;
    }

    /// <summary>The choice of iterative inference, for the specification of an experiment.</summary>
    /// <param name="options">The settings.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(IterativeOptions options) => new(
        "iterative", revision: 1, options, context => new Iterative(context.Model, context.Family, context.DataSize, options, context.Stream));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The settings.</summary>
    public IterativeOptions Options => _options;

    /// <summary>The same network, applied another number of times.</summary>
    /// <param name="iterations">K, 0 or more.</param>
    public Iterative WithIterations(int iterations) => new(this, iterations);

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) =>
        Infer(model, family, x, stream, step, family.InitialLocalParameters(x.Count));

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
            (Tensor encoding, LocalParameters before) = Look(Objective(model, family, x, stream, step, t), model, x, points[t]);
            (points[t + 1], state) = Update(encoding, before, state);
        }
        return new InferenceTrace(points);
    }

    /// <summary>What the network sees at λ, and λ, both as constants in the scope of the caller.</summary>
    internal (Tensor Encoding, LocalParameters Lambda) Look(ElboObjective objective, GenerativeModel model, Observations x, LocalParameters lambda)
    {
        using MemoryScope scope = MemoryScope.Enter();
        LocalParameters given = Detached(scope, lambda);
        Tensor encoding = Encode(x, given, Observe(objective, model, x, given));
        return (scope.Keep(encoding), new LocalParameters([.. given.Blocks.Select(scope.Keep)]));
    }

    /// <summary>The ELBO after t updates, with the samples that belong to it.</summary>
    internal ElboObjective Objective(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step, int t, ObjectiveWeights? weights = null) =>
        new(model, family, x, new Noise(x, stream.Fork((ulong)t), _options.Samples, step), weights ?? ObjectiveWeights.Elbo, KlForm.Analytic);

    /// <summary>The network's state before the first iteration.</summary>
    internal IterativeState InitialState(Observations x) => _cell is null ? default : new IterativeState(_cell.InitialState(x.Device, x.Count));

    /// <summary>What an evaluation of the objective tells the network: value, gradients with respect to λ, errors.</summary>
    internal IterativeFeedback Observe(ElboObjective objective, GenerativeModel model, Observations x, LocalParameters lambda)
    {
        (Tensor value, PosteriorSample sample, OutputDistribution output) = objective.Evaluate(lambda);
        var gradients = new Tensor[_options.Gradients == GradientEncoding.None ? 0 : lambda.Blocks.Count];
        if (gradients.Length > 0)
            Gradient.Of(value, [.. lambda.Blocks], gradients);
        return Feedback(value, sample, output, model, x, gradients);
    }

    /// <summary>The same from an objective that has been evaluated and differentiated already.</summary>
    internal IterativeFeedback Feedback(Tensor value, PosteriorSample sample, OutputDistribution output, GenerativeModel model, Observations x, Tensor[] gradients) =>
        new(value, gradients, BottomUp(output, x), TopDown(sample.Latents, model));

    /// <summary>What the network sees, [B, width].</summary>
    internal Tensor Encode(Observations x, LocalParameters lambda, IterativeFeedback feedback)
    {
        var parts = new List<Tensor>();
        if (_options.Data)
            parts.Add(ValuesOf(x) - 0.5);
        if (feedback.BottomUp.IsDefined)
            parts.Add(feedback.BottomUp);
        if (feedback.TopDown.IsDefined)
            parts.Add(feedback.TopDown);
        if (_options.Estimates)
            parts.AddRange(lambda.Blocks);
        parts.AddRange(feedback.Gradients.Select(Encode));
        return Tensor.Concatenate([.. parts]);
    }

    /// <summary>λ_{t+1}, and the state that a recurrent network hands on.</summary>
    internal (LocalParameters Lambda, IterativeState State) Update(Tensor encoding, LocalParameters lambda, IterativeState state)
    {
        Tensor features = _highway?.Forward(Parameters, encoding) ?? _hidden!.Forward(Parameters, encoding);
        if (_cell is not null)
        {
            state = new IterativeState(_cell.Forward(Parameters, features, state.Recurrent));
            features = state.Recurrent.Hidden;
        }
        var next = new Tensor[_values.Length];
        for (int i = 0; i < next.Length; i++)
        {
            Tensor value = _values[i].Forward(Parameters, features), before = lambda[i];
            Tensor mixed = _options.Update switch
            {
                IterativeUpdate.Gated => value + _gates[i].Forward(Parameters, features).Sigmoid() * (before - value),
                IterativeUpdate.Residual => before + value,
                _ => value,
            };
            next[i] = _bounded[i] ? Bounded(mixed) : mixed;
        }
        return (new LocalParameters(next), state);
    }

    /// <summary>Copies of λ that are constants to what is computed from them.</summary>
    internal static LocalParameters Detached(MemoryScope scope, LocalParameters lambda) => new([.. lambda.Blocks.Select(scope.Copy)]);

    private Tensor BottomUp(OutputDistribution output, Observations x) => _options.BottomUpErrors switch
    {
        ErrorEncoding.None => default,
        ErrorEncoding.Plain => ValuesOf(x) - output.Mean.Mean(1),
        _ => output.Error(x).Mean(1),
    };

    private Tensor TopDown(Latents z, GenerativeModel model)
    {
        if (_options.TopDownErrors == ErrorEncoding.None)
            return default;
        var parts = new Tensor[z.Levels.Count];
        for (int level = 0; level < parts.Length; level++)
        {
            if (model.Prior(level, [.. z.Levels.Skip(level + 1)]) is not DiagonalGaussian prior)
                throw new GapLabException("Iterative inference: top-down errors are defined for Gaussian priors; let the network see gradients instead.");
            Tensor error = z[level] - prior.Mean;
            parts[level] = (_options.TopDownErrors == ErrorEncoding.Weighted ? error * (-prior.LogVariance).Exp() : error).Mean(1);
        }
        return Tensor.Concatenate(parts);
    }

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

    /// <summary>The nearest number within ±15; x itself, to the bit, where it is within.</summary>
    private static Tensor Bounded(Tensor x)
    {
        Tensor above = (LargestLogVariance - x).IsNegative(), below = (x + LargestLogVariance).IsNegative();
        return x * (1 - above - below) + LargestLogVariance * (above - below);
    }

    private static Tensor ValuesOf(Observations x) => x is DenseObservations dense
        ? dense.Values
        : throw new ShapeException($"Iterative inference reads vectors of numbers, not {x.GetType().Name}.");
}
