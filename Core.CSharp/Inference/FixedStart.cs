using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// A λ_0 that does not depend on the data: where q is as close to N(0, I) as the family can be, plus noise. It is where stochastic variational inference starts; it has no learnt parameters.
/// By itself it is all the inference that a model without latent variables needs, whose λ has no numbers.
/// </summary>
public sealed class FixedStart : InferenceMethod
{
    private const ulong StartNoise = 0x57A7;

    private readonly double _noise;

    /// <summary>Such a start.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="noise">The standard deviation of every number's noise, drawn anew in every training step: 0 for none, as Kim et al. 2018 train; they evaluate text with 0.1.</param>
    /// <exception cref="GapLabException">It is negative or not finite.</exception>
    public FixedStart(Device device, double noise = 0) : base(new ParameterSet(device))
    {
        if (!(noise >= 0) || !double.IsFinite(noise))
            throw new GapLabException($"A fixed start needs noise of 0 or more, not {noise}.");
        _noise = noise;
        Name = noise == 0 ? "N(0, I)" : $"N(0, I) with noise {noise}";
    }

    /// <summary>The choice of such a start, for the specification of an experiment.</summary>
    /// <param name="noise">The standard deviation of every number's noise.</param>
    public static Component<InferenceContext, InferenceMethod> Choice(double noise = 0) =>
        new("fixed-start", revision: 1, new { noise }, context => new FixedStart(context.Model.Device, noise));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        LocalParameters start = family.InitialLocalParameters(x.Count);
        if (_noise == 0)
            return new InferenceTrace(start);
        var noise = new Noise(x, stream.Fork(StartNoise), 1, step);
        return new InferenceTrace(new LocalParameters([.. start.Blocks.Select((block, i) => block + _noise * noise.Normal(block.Shape[1], i).Reshape(block.Shape))]));
    }
}
