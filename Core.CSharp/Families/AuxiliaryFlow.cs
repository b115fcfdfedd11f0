using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// Real NVP with an auxiliary variable v of z's size (Cremer et al. 2018, equations 12-14):
/// <code>
/// z₀ ~ N(μ, diag σ²),  v₀ ~ q(v₀ | z₀),  then for each of T steps
/// v' = v ⊙ σ₁(z) + μ₁(z),  z' = z ⊙ σ₂(v') + μ₂(v'),  log|det| = Σ_i log σ₁(z)_i + Σ_j log σ₂(v')_j
/// L = E[log p(x, z_T) + log r(v_T | z_T) - log q(z₀, v₀) + Σ_t log|det_t|]
/// </code>
/// λ = [μ, log σ²]; the networks σ₁, σ₂, μ₁, μ₂, q(v | z) and r(v | z) are shared parameters and do not see x. The log-density that samples come
/// with is the one that enters the bound, log q(z₀, v₀) - Σ log|det| - log r(v_T | z_T). Its expectation exceeds E[log q(z_T)] by
/// E[KL(q(v | z) ‖ r(v | z))], so the bound is looser than the ELBO of q(z), which <see cref="LogMarginal"/> estimates.
/// </summary>
public sealed class AuxiliaryFlow : VariationalFamily
{
    /// <summary>The noise of v lies beside that of z, whose level is 0.</summary>
    private const int AuxiliaryLevel = 1;

    private readonly int _size;
    private readonly FlowScale _scale;
    private readonly (Coupling Auxiliary, Coupling Latent)[] _steps;
    private readonly Conditional? _auxiliary;
    private readonly Conditional _reverse;
    private readonly string _name;

    /// <summary>A flow with freshly initialised networks. The defaults are those of the paper's Table 8 for MNIST.</summary>
    /// <param name="device">Where.</param>
    /// <param name="latentSize">The size n of z and v.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="steps">T, at least 0.</param>
    /// <param name="hidden">The sizes of every network's hidden layers; null for 100-100.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="scale">How σ₁ and σ₂ are made of a network's outputs; null for the sigmoid, which the paper's own code uses.</param>
    /// <param name="standardAuxiliary">Whether q(v₀ | z₀) = N(0, I), instead of a network.</param>
    /// <param name="startsAtIdentity">Whether the flow starts as the identity with r(v | z) = q(v | z): the bound is then that of a factorised Gaussian with the same λ.</param>
    /// <param name="conditionalHidden">The sizes of the hidden layers of q(v | z) and r(v | z); null for those of the other networks.</param>
    /// <exception cref="GapLabException">A negative number of steps, or a start at the identity with a scale that is not 1 for outputs of zero.</exception>
    public AuxiliaryFlow(
        Device device, int latentSize, RandomStream stream, int steps = 2, IReadOnlyList<int>? hidden = null, Activation activation = Activation.Elu,
        FlowScale? scale = null, bool standardAuxiliary = false, bool startsAtIdentity = false, IReadOnlyList<int>? conditionalHidden = null)
        : base(new ParameterSet(device))
    {
        if (steps < 0)
            throw new GapLabException($"AuxiliaryFlow: a flow cannot have {steps} steps; give 0 or more.");
        _size = latentSize;
        _scale = scale ?? FlowScale.Sigmoid();
        if (startsAtIdentity && !_scale.IsOneAtZero)
            throw new GapLabException($"AuxiliaryFlow: with the scale '{_scale.Name}' a flow cannot start at the identity; use the centred sigmoid or the exponential.");
        hidden ??= [100, 100];
        IReadOnlyList<int> conditional = conditionalHidden ?? hidden;
        LocalBlocks = [new("mean", latentSize), new("logVariance", latentSize)];
        Network Net(string name) => new(Shared, name, latentSize, hidden, activation, stream);
        _steps = new (Coupling, Coupling)[steps];
        for (int t = 0; t < steps; t++)
            _steps[t] = (new(Net($"flow.{t}.auxiliary.scale"), Net($"flow.{t}.auxiliary.shift")), new(Net($"flow.{t}.latent.scale"), Net($"flow.{t}.latent.shift")));
        int first = Shared.Count;
        _auxiliary = standardAuxiliary ? null : new Conditional(Shared, "auxiliary", latentSize, conditional, activation, stream);
        int second = Shared.Count;
        _reverse = new Conditional(Shared, "reverse", latentSize, conditional, activation, stream);
        _name = $"flow of {steps} step{(steps == 1 ? "" : "s")}, {string.Join('-', [latentSize, .. hidden, latentSize])} {activation}, {_scale.Name}{(standardAuxiliary ? ", v0 standard" : "")}{(conditionalHidden is null ? "" : $", r {string.Join('-', [latentSize, .. conditional, 2 * latentSize])}")}";
        if (!startsAtIdentity)
            return;
        foreach ((Coupling auxiliary, Coupling latent) in _steps)
        {
            auxiliary.SetToIdentity(Shared);
            latent.SetToIdentity(Shared);
        }
        if (standardAuxiliary)
            _reverse.SetToStandard(Shared);
        for (int i = first; i < second; i++)
            Shared[second + i - first].Assign(Shared[i]);
    }

    /// <summary>The choice of such a flow, for the specification of an experiment; the settings are those of the constructor.</summary>
    /// <param name="steps">T, at least 0.</param>
    /// <param name="hidden">The sizes of every network's hidden layers; null for 100-100.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="scale">How σ₁ and σ₂ are made of a network's outputs; null for the sigmoid.</param>
    /// <param name="standardAuxiliary">Whether q(v₀ | z₀) = N(0, I), instead of a network.</param>
    /// <param name="startsAtIdentity">Whether the flow starts as the identity with r(v | z) = q(v | z).</param>
    /// <param name="conditionalHidden">The sizes of the hidden layers of q(v | z) and r(v | z); null for those of the other networks.</param>
    /// <exception cref="ShapeException">When it is built for a model with more than one latent level.</exception>
    public static Component<FamilyContext, VariationalFamily> Choice(
        int steps = 2, IReadOnlyList<int>? hidden = null, Activation activation = Activation.Elu, FlowScale? scale = null,
        bool standardAuxiliary = false, bool startsAtIdentity = false, IReadOnlyList<int>? conditionalHidden = null)
    {
        hidden ??= [100, 100];
        scale ??= FlowScale.Sigmoid();
        return new("flow", revision: 1, new { steps, hidden, activation, scale, standardAuxiliary, startsAtIdentity, conditionalHidden }, context => new AuxiliaryFlow(
            context.Model.Device, context.SingleLatentSize("of flows"), context.Stream, steps, hidden, activation, scale, standardAuxiliary, startsAtIdentity, conditionalHidden));
    }

    /// <inheritdoc/>
    public override string Name => _name;

    /// <inheritdoc/>
    public override IReadOnlyList<LocalBlock> LocalBlocks { get; }

    /// <inheritdoc/>
    public override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        DiagonalGaussian initial = Initial(lambda, new Shape(lambda.Count, 1, _size));
        Tensor epsilon = noise.Normal(_size), auxiliaryEpsilon = noise.Normal(_size, AuxiliaryLevel);
        Tensor z = initial.Sample(epsilon);
        DiagonalGaussian auxiliary = Auxiliary(z);
        (z, Tensor v, Tensor logDeterminant) = Forward(z, auxiliary.Sample(auxiliaryEpsilon));
        Tensor logDensity = initial.LogProbOfSample(epsilon) + auxiliary.LogProbOfSample(auxiliaryEpsilon) - logDeterminant - Reverse(z).LogProb(v);
        return new PosteriorSample(new Latents(z), logDensity, null);
    }

    /// <inheritdoc/>
    public override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);

    /// <summary>All steps of the flow: (z₀, v₀) to (z_T, v_T) and Σ log|det|, float64 of the shape of z without its innermost axis.</summary>
    /// <param name="z">z₀ [..., n].</param>
    /// <param name="v">v₀ [..., n].</param>
    public (Tensor Z, Tensor V, Tensor LogDeterminant) Forward(Tensor z, Tensor v)
    {
        Tensor logDeterminant = Tensor.Filled(z.Device, z.Shape.Leading, 0, ElementType.Float64);
        foreach ((Coupling auxiliary, Coupling latent) in _steps)
        {
            (Tensor logScale, Tensor shift) = auxiliary.Of(Shared, z, _scale);
            v = v * logScale.Exp() + shift;
            logDeterminant += logScale.Sum(-1, ElementType.Float64);
            (logScale, shift) = latent.Of(Shared, v, _scale);
            z = z * logScale.Exp() + shift;
            logDeterminant += logScale.Sum(-1, ElementType.Float64);
        }
        return (z, v, logDeterminant);
    }

    /// <summary>The inverse of <see cref="Forward"/>: (z_T, v_T) to (z₀, v₀), with the same Σ log|det| of the way forward.</summary>
    /// <param name="z">z_T [..., n].</param>
    /// <param name="v">v_T [..., n].</param>
    public (Tensor Z, Tensor V, Tensor LogDeterminant) Inverse(Tensor z, Tensor v)
    {
        Tensor logDeterminant = Tensor.Filled(z.Device, z.Shape.Leading, 0, ElementType.Float64);
        foreach ((Coupling auxiliary, Coupling latent) in _steps.Reverse())
        {
            (Tensor logScale, Tensor shift) = latent.Of(Shared, v, _scale);
            z = (z - shift) * (-logScale).Exp();
            logDeterminant += logScale.Sum(-1, ElementType.Float64);
            (logScale, shift) = auxiliary.Of(Shared, z, _scale);
            v = (v - shift) * (-logScale).Exp();
            logDeterminant += logScale.Sum(-1, ElementType.Float64);
        }
        return (z, v, logDeterminant);
    }

    /// <summary>
    /// log q(z | x) of the marginal density at given points, by importance sampling over v: the log of the mean over K samples v ~ r(v | z) of
    /// q(z, v) / r(v | z). The mean is unbiased, its log an underestimate in expectation, by about the relative variance of the mean over 2.
    /// </summary>
    /// <param name="lambda">λ of B datapoints.</param>
    /// <param name="z">Points [B, S, n].</param>
    /// <param name="noise">The noise of B datapoints and K samples; every point has its own.</param>
    /// <returns>[B, S] in nats, float64; not a number at points so far out that the inverse overflows. Memory: B · K · S samples.</returns>
    public Tensor LogMarginal(LocalParameters lambda, Tensor z, Noise noise)
    {
        int b = z.Shape[0], s = z.Shape[1], k = noise.Samples;
        Tensor epsilon = noise.Normal(s * _size, AuxiliaryLevel).Reshape(b, k, s, _size);
        Tensor points = z.Reshape(b, 1, s, _size).BroadcastTo(epsilon.Shape);
        DiagonalGaussian reverse = Reverse(points);
        Tensor v = reverse.Sample(epsilon);
        (Tensor z0, Tensor v0, Tensor logDeterminant) = Inverse(points, v);
        Tensor logJoint = Initial(lambda, new Shape(b, 1, 1, _size)).LogProb(z0) + Auxiliary(z0).LogProb(v0) - logDeterminant;
        return (logJoint - reverse.LogProbOfSample(epsilon)).LogMeanExp(1);
    }

    private static DiagonalGaussian Initial(LocalParameters lambda, Shape shape) => new(lambda[0].Reshape(shape), lambda[1].Reshape(shape));

    /// <summary>q(v₀ | z₀).</summary>
    private DiagonalGaussian Auxiliary(Tensor z) => _auxiliary?.At(Shared, z) ?? DiagonalGaussian.Standard(z.Device, _size);

    /// <summary>r(v_T | z_T).</summary>
    private DiagonalGaussian Reverse(Tensor z) => _reverse.At(Shared, z);

    /// <summary>Hidden layers and one linear layer of n outputs.</summary>
    private sealed class Network(ParameterSet parameters, string name, int size, IReadOnlyList<int> hidden, Activation activation, RandomStream stream)
    {
        private readonly Mlp _hidden = new(parameters, name, size, hidden, activation, stream);
        private readonly Linear _output = new(parameters, $"{name}.output", hidden.Count > 0 ? hidden[^1] : size, size, Activation.Identity, stream);

        public Tensor Forward(ParameterSet values, Tensor x) => _output.Forward(values, _hidden.Forward(values, x));

        public void SetToZero(ParameterSet values) => AuxiliaryFlow.SetToZero(_output, values);
    }

    /// <summary>log σ(x) and μ(x), from two networks.</summary>
    private readonly record struct Coupling(Network Scale, Network Shift)
    {
        public (Tensor LogScale, Tensor Shift) Of(ParameterSet values, Tensor x, FlowScale scale) => (scale.Log(Scale.Forward(values, x)), Shift.Forward(values, x));

        public void SetToIdentity(ParameterSet values)
        {
            Scale.SetToZero(values);
            Shift.SetToZero(values);
        }
    }

    /// <summary>A Gaussian of v whose mean and log-variance are two outputs of one network of z.</summary>
    private sealed class Conditional(ParameterSet parameters, string name, int size, IReadOnlyList<int> hidden, Activation activation, RandomStream stream)
    {
        private readonly Mlp _hidden = new(parameters, name, size, hidden, activation, stream);
        private readonly Linear _mean = new(parameters, $"{name}.mean", hidden.Count > 0 ? hidden[^1] : size, size, Activation.Identity, stream);
        private readonly Linear _logVariance = new(parameters, $"{name}.logVariance", hidden.Count > 0 ? hidden[^1] : size, size, Activation.Identity, stream);

        public DiagonalGaussian At(ParameterSet values, Tensor z)
        {
            Tensor features = _hidden.Forward(values, z);
            return new DiagonalGaussian(_mean.Forward(values, features), _logVariance.Forward(values, features));
        }

        public void SetToStandard(ParameterSet values)
        {
            AuxiliaryFlow.SetToZero(_mean, values);
            AuxiliaryFlow.SetToZero(_logVariance, values);
        }
    }

    private static void SetToZero(Linear layer, ParameterSet values)
    {
        foreach (Tensor parameter in (Tensor[])[layer.Weight(values), layer.Bias(values)])
            parameter.Assign(Tensor.Filled(parameter.Device, parameter.Shape, 0));
    }
}
