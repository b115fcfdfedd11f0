using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// Inverse autoregressive flow (Kingma et al. 2016, equation 10):
/// <code>
/// z₀ ~ N(μ, diag σ²),  then for each of T steps  z' = z ⊙ σ(z, h) + m(z, h)
/// log q(z_T) = log N(z₀; μ, diag σ²) - Σ_t Σ_i log σ_t(z, h)_i
/// </code>
/// The networks are masked (MADE, Germain et al. 2015): σ and m of component i see only the components before i, so that the Jacobian is
/// triangular and the density exact; every step reverses the order of the one before. λ = [μ, log σ²] and, unless it is left out, a context h of
/// z's size, through which an encoder tells the shared networks about x. The paper's gate z' = z ⊙ σ + (1 - σ) ⊙ m is the same family.
/// </summary>
public sealed class InverseAutoregressiveFlow : VariationalFamily
{
    private readonly int _size;
    private readonly FlowScale _scale;
    private readonly MaskedNetwork[] _steps;
    private readonly bool _hasContext;
    private readonly string _name;

    /// <summary>A flow with freshly initialised networks.</summary>
    /// <param name="device">Where.</param>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="steps">T, at least 0.</param>
    /// <param name="hidden">The sizes of every network's hidden layers, at least one; null for 100-100.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="scale">How σ is made of a network's outputs; null for the sigmoid centred at 2.</param>
    /// <param name="hasContext">Whether λ has a context h, which the networks see.</param>
    /// <exception cref="GapLabException">A negative number of steps, or no hidden layer.</exception>
    public InverseAutoregressiveFlow(
        Device device, int latentSize, RandomStream stream, int steps = 2, IReadOnlyList<int>? hidden = null, Activation activation = Activation.Elu,
        FlowScale? scale = null, bool hasContext = true)
        : base(new ParameterSet(device))
    {
        hidden ??= [100, 100];
        if (steps < 0 || hidden.Count == 0)
            throw new GapLabException($"InverseAutoregressiveFlow: {steps} steps with {hidden.Count} hidden layers were asked for; give at least 0 steps and 1 layer.");
        _size = latentSize;
        _scale = scale ?? FlowScale.CentredSigmoid();
        _hasContext = hasContext;
        LocalBlocks = hasContext
            ? [new("mean", latentSize), new("logVariance", latentSize), new("context", latentSize)]
            : [new("mean", latentSize), new("logVariance", latentSize)];
        _steps = new MaskedNetwork[steps];
        for (int t = 0; t < steps; t++)
            _steps[t] = new MaskedNetwork(Shared, $"iaf.{t}", latentSize, isReversed: t % 2 == 1, hidden, activation, hasContext, stream);
        _name = $"inverse autoregressive flow of {steps} step{(steps == 1 ? "" : "s")}, {string.Join('-', [latentSize, .. hidden, latentSize])} {activation}, {_scale.Name}{(hasContext ? "" : ", no context")}";
    }

    /// <summary>The choice of such a flow, for the specification of an experiment; the settings are those of the constructor.</summary>
    /// <param name="steps">T, at least 0.</param>
    /// <param name="hidden">The sizes of every network's hidden layers, at least one; null for 100-100.</param>
    /// <param name="activation">The hidden layers' activation.</param>
    /// <param name="scale">How σ is made of a network's outputs; null for the sigmoid centred at 2.</param>
    /// <param name="hasContext">Whether λ has a context h, which the networks see.</param>
    /// <exception cref="ShapeException">When it is built for a model with more than one latent level.</exception>
    public static Component<FamilyContext, VariationalFamily> Choice(
        int steps = 2, IReadOnlyList<int>? hidden = null, Activation activation = Activation.Elu, FlowScale? scale = null, bool hasContext = true)
    {
        hidden ??= [100, 100];
        scale ??= FlowScale.CentredSigmoid();
        return new("iaf", revision: 1, new { steps, hidden, activation, scale, hasContext }, context => new InverseAutoregressiveFlow(
            context.Model.Device, context.SingleLatentSize("of flows"), context.Stream, steps, hidden, activation, scale, hasContext));
    }

    /// <inheritdoc/>
    public override string Name => _name;

    /// <inheritdoc/>
    public override IReadOnlyList<LocalBlock> LocalBlocks { get; }

    /// <inheritdoc/>
    public override PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise)
    {
        int b = lambda.Count;
        var initial = new DiagonalGaussian(lambda[0].Reshape(b, 1, _size), lambda[1].Reshape(b, 1, _size));
        Tensor epsilon = noise.Normal(_size);
        (Tensor z, Tensor logDeterminant) = Forward(initial.Sample(epsilon), lambda);
        return new PosteriorSample(new Latents(z), initial.LogProbOfSample(epsilon) - logDeterminant, null);
    }

    /// <inheritdoc/>
    public override LocalParameters InitialLocalParameters(int count) => ZeroParameters(count);

    /// <summary>All steps of the flow: z₀ to z_T and Σ log|det|.</summary>
    /// <param name="z">z₀ [B, S, n].</param>
    /// <param name="lambda">λ of B datapoints, of which the context is used.</param>
    /// <returns>z_T [B, S, n], and [B, S] in nats, float64.</returns>
    public (Tensor Z, Tensor LogDeterminant) Forward(Tensor z, LocalParameters lambda)
    {
        Tensor context = _hasContext ? lambda[2].Reshape(lambda.Count, 1, _size) : default;
        Tensor logDeterminant = Tensor.Filled(z.Device, z.Shape.Leading, 0, ElementType.Float64);
        foreach (MaskedNetwork step in _steps)
        {
            (Tensor scale, Tensor shift) = step.Forward(Shared, z, context);
            Tensor logScale = _scale.Log(scale);
            z = z * logScale.Exp() + shift;
            logDeterminant += logScale.Sum(-1, ElementType.Float64);
        }
        return (z, logDeterminant);
    }

    /// <summary>
    /// A network of z with two outputs of its size. Every unit has a degree d: an input's is its place in the order, counted from 1; a hidden unit of
    /// degree d sees inputs up to d, and outputs of degree d see hidden units below d.
    /// </summary>
    private sealed class MaskedNetwork
    {
        private readonly MaskedLayer[] _hidden;
        private readonly MaskedLayer _scale;
        private readonly MaskedLayer _shift;
        private readonly Linear? _context;
        private readonly Activation _activation;

        public MaskedNetwork(
            ParameterSet parameters, string name, int size, bool isReversed, IReadOnlyList<int> hidden, Activation activation, bool hasContext, RandomStream stream)
        {
            _activation = activation;
            int[] order = [.. Enumerable.Range(1, size)];
            if (isReversed)
                Array.Reverse(order);
            // Units of degree 0 see nothing but the context, and serve all outputs; without a context they would be constants.
            int lowest = hasContext || size == 1 ? 0 : 1;
            int[] degrees = order;
            _hidden = new MaskedLayer[hidden.Count];
            for (int i = 0; i < hidden.Count; i++)
            {
                int[] next = [.. Enumerable.Range(0, hidden[i]).Select(unit => lowest + unit % (size - lowest))];
                _hidden[i] = new MaskedLayer(parameters, $"{name}.{i}", degrees, next, (below, own) => below <= own, stream);
                degrees = next;
            }
            _scale = new MaskedLayer(parameters, $"{name}.scale", degrees, order, (below, own) => below < own, stream);
            _shift = new MaskedLayer(parameters, $"{name}.shift", degrees, order, (below, own) => below < own, stream);
            _context = hasContext ? new Linear(parameters, $"{name}.context", size, hidden[0], Activation.Identity, stream) : null;
        }

        public (Tensor Scale, Tensor Shift) Forward(ParameterSet values, Tensor z, Tensor context)
        {
            Tensor features = _context is null
                ? _hidden[0].Forward(values, z, _activation)
                : (_hidden[0].Forward(values, z, Activation.Identity) + _context.Forward(values, context)).Activate(_activation);
            foreach (MaskedLayer layer in _hidden.AsSpan(1))
                features = layer.Forward(values, features, _activation);
            return (_scale.Forward(values, features, Activation.Identity), _shift.Forward(values, features, Activation.Identity));
        }
    }

    /// <summary>A fully connected layer of which some weights are held at zero.</summary>
    private sealed class MaskedLayer
    {
        private readonly Linear _layer;
        private readonly Tensor _mask;

        public MaskedLayer(ParameterSet parameters, string name, int[] inputs, int[] outputs, Func<int, int, bool> sees, RandomStream stream)
        {
            _layer = new Linear(parameters, name, inputs.Length, outputs.Length, Activation.Identity, stream);
            _mask = Tensor.Create(
                parameters.Device, new Shape(outputs.Length, inputs.Length),
                [.. outputs.SelectMany(own => inputs.Select(below => sees(below, own) ? 1.0 : 0.0))]).ToOwned();
        }

        public Tensor Forward(ParameterSet values, Tensor x, Activation activation) => x.Linear(_layer.Weight(values) * _mask, _layer.Bias(values), activation);
    }
}
