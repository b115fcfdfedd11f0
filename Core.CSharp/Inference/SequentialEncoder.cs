using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference by any fully connected modules: a <see cref="SequentialNetwork"/> from x to λ = [μ, log σ²] of a factorised Gaussian, either as the halves of its output or by two
/// linear heads on top of it. Its parameters have the names and shapes that PyTorch gives those of an <c>nn.Sequential</c>; see <see cref="SequentialModel"/>.
/// </summary>
public sealed class SequentialEncoder : InferenceMethod
{
    private readonly SequentialNetwork _network;
    private readonly Linear[] _heads;
    private readonly int _latentSize;
    private readonly bool _givesDeviations;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces: one of a mean and a log-variance for each latent variable.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="dataSize">The size D of x.</param>
    /// <param name="prefix">What goes before the numbers of modules in the names of parameters.</param>
    /// <param name="modules">The modules.</param>
    /// <param name="heads">The names of two linear layers on top of the modules, of the mean and of the spread; none where the last module gives both, the mean first.</param>
    /// <param name="givesDeviations">Whether the spread is log σ and not log σ².</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="GapLabException">Another family, another number of heads, or another number of outputs.</exception>
    public SequentialEncoder(
        VariationalFamily family, Device device, int dataSize, string prefix, IReadOnlyList<SequentialModule> modules, IReadOnlyList<string> heads, bool givesDeviations, RandomStream stream)
        : base(new ParameterSet(device))
    {
        if (family.LocalBlocks is not [{ IsMean: true, Size: var size }, { IsLogVariance: true } spread] || spread.Size != size || heads.Count is not (0 or 2))
            throw new GapLabException($"SequentialEncoder: it gives means and log-variances, from one output or from two heads, which is not what the family {family.Name} and {heads.Count} heads take.");
        _latentSize = size;
        _givesDeviations = givesDeviations;
        _network = new SequentialNetwork(Parameters, prefix, dataSize, modules, stream);
        _heads = [.. heads.Select(head => new Linear(Parameters, head, _network.Outputs, size, Activation.Identity, stream))];
        if (heads.Count == 0 && _network.Outputs != 2 * size)
            throw new ShapeException($"SequentialEncoder: the modules have {_network.Outputs} outputs, but the mean and the spread of {size} latent variables take {2 * size}.");
        Name = $"{dataSize}-{string.Join(", ", modules)}{(heads.Count == 0 ? "" : $", {size}+{size}")}";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment.</summary>
    /// <param name="prefix">What goes before the numbers of modules in the names of parameters.</param>
    /// <param name="modules">The modules.</param>
    /// <param name="heads">The names of two linear layers on top of the modules, of the mean and of the spread; none where the last module gives both.</param>
    /// <param name="givesDeviations">Whether the spread is log σ and not log σ².</param>
    public static Component<InferenceContext, InferenceMethod> Choice(
        string prefix, IReadOnlyList<SequentialModule> modules, IReadOnlyList<string> heads, bool givesDeviations = false) => new(
        "sequential-encoder", revision: 1,
        new { prefix, modules = modules.Select(module => module.ToString()), heads = heads.Count == 0 ? null : heads, givesDeviations = givesDeviations ? true : (bool?)null },
        context => new SequentialEncoder(context.Family, context.Model.Device, context.DataSize, prefix, modules, heads, givesDeviations, context.Stream));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        Tensor features = _network.Forward(Parameters, x.Features);
        (Tensor mean, Tensor spread) = _heads is [var first, var second]
            ? (first.Forward(Parameters, features), second.Forward(Parameters, features))
            : (features.Columns(0, _latentSize), features.Columns(_latentSize, _latentSize));
        return new InferenceTrace(new LocalParameters(mean, _givesDeviations ? 2 * spread : spread));
    }
}
