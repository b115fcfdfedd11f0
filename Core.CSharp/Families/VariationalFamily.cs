using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>
/// A family of approximate posteriors q(z | x; λ). Its local parameters λ belong to one datapoint each; shared ones, if it has any, are
/// networks that all datapoints use. To define one, derive from this class and compute with
/// <see cref="Shared"/>, not with the set handed to the constructor, because <see cref="With"/> makes copies that hold other values.
/// </summary>
/// <param name="shared">The shared parameters; an empty set for families that have none.</param>
public abstract class VariationalFamily(ParameterSet shared)
{
    /// <summary>The parameters that all datapoints share.</summary>
    public ParameterSet Shared { get; private set; } = shared;

    /// <summary>A short name for tables and provenance, such as "FFG".</summary>
    public abstract string Name { get; }

    /// <summary>The name and size n_i of every block of λ, which an inference network must produce.</summary>
    public abstract IReadOnlyList<LocalBlock> LocalBlocks { get; }

    /// <summary>Samples z ~ q(z | x; λ) and their log-density, differentiable with respect to λ and the shared parameters.</summary>
    /// <param name="lambda">λ for a batch.</param>
    /// <param name="model">The model whose prior some families combine with λ.</param>
    /// <param name="noise">The noise that makes the samples.</param>
    public abstract PosteriorSample Sample(LocalParameters lambda, GenerativeModel model, Noise noise);

    /// <summary>
    /// log q(z | x; λ) of any z in nats, [B, S] float64, differentiable with respect to z, for families that know it in closed form; others leave this
    /// as it is and are refused where it is needed.
    /// </summary>
    /// <param name="lambda">λ for a batch.</param>
    /// <param name="model">The model whose prior some families combine with λ.</param>
    /// <param name="z">Latent variables [B, S, n_l] of every level, from anywhere.</param>
    /// <exception cref="GapLabException">The family does not know it.</exception>
    public virtual Tensor LogDensity(LocalParameters lambda, GenerativeModel model, Latents z) => throw new GapLabException(
        $"The family {Name} gives log q(z | x) of its own samples only, not of any z as AIS from q and divergences from it need it; start AIS at the prior, train an encoder on its ELBO, or override LogDensity.");

    /// <summary>
    /// KL(q(z; λ) ‖ q(z; λ')) in nats, [B] float64, differentiable with respect to both: E_q[log q(z; λ) - log q(z; λ')] at samples of q(z; λ), or its exact value where a family gives that.
    /// </summary>
    /// <param name="from">λ.</param>
    /// <param name="to">λ'.</param>
    /// <param name="model">The model whose prior some families combine with λ.</param>
    /// <param name="noise">The noise of the samples.</param>
    /// <exception cref="GapLabException">The family does not know log q of any z.</exception>
    public virtual Tensor Divergence(LocalParameters from, LocalParameters to, GenerativeModel model, Noise noise)
    {
        PosteriorSample q = Sample(from, model, noise);
        return (q.LogDensity - LogDensity(to, model, q.Latents)).Mean(1);
    }

    /// <summary>The λ at which optimisation of single datapoints starts: q as close to N(0, I) as the family can be.</summary>
    /// <param name="count">The number of datapoints.</param>
    public abstract LocalParameters InitialLocalParameters(int count);

    /// <summary>
    /// The λ at which iterative inference starts: q as close to the model's prior as the family can be. By default, and for models of one level, that of
    /// <see cref="InitialLocalParameters"/>.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="noise">The noise of samples of the prior; one λ is made for each of its datapoints.</param>
    public virtual LocalParameters PriorLocalParameters(GenerativeModel model, Noise noise) => InitialLocalParameters(noise.Datapoints.Length);

    /// <summary>λ of zeros: where its blocks are means and log-scales, a standard normal.</summary>
    /// <param name="count">The number of datapoints.</param>
    protected LocalParameters ZeroParameters(int count) =>
        new([.. LocalBlocks.Select(block => Tensor.Filled(Shared.Device, new Shape(count, block.Size), 0))]);

    /// <summary>The same family with other shared parameter values.</summary>
    /// <param name="shared">Values for the same names.</param>
    public VariationalFamily With(ParameterSet shared)
    {
        var copy = (VariationalFamily)MemberwiseClone();
        copy.Shared = shared;
        return copy;
    }
}
