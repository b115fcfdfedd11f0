using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// No inference: every λ stays where the family starts, at q as close to N(0, I) as it can be. For models without latent variables, which need none; of others, q is the prior.
/// </summary>
/// <param name="device">Where λ lives.</param>
public sealed class NoInference(Device device) : InferenceMethod(new ParameterSet(device))
{
    /// <summary>The choice of this method, for the specification of an experiment.</summary>
    public static Component<InferenceContext, InferenceMethod> Choice() => new("no-inference", revision: 1, null, context => new NoInference(context.Model.Device));

    /// <inheritdoc/>
    public override string Name => "no inference";

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step) => new(family.InitialLocalParameters(x.Count));
}
