using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// A deep latent-variable model p(x, z) = p(x | z) Π_l p(z_l | z_{l+1}, ...). A model states its prior at every level and its output; the joint
/// density is written once, here. To define one, derive from this class and give those two; compute with
/// <see cref="Parameters"/>, not with the set handed to the constructor, because <see cref="With"/> makes copies that hold other values.
/// </summary>
/// <param name="parameters">θ.</param>
public abstract class GenerativeModel(ParameterSet parameters)
{
    /// <summary>θ, the learnt parameters.</summary>
    public ParameterSet Parameters { get; private set; } = parameters;

    /// <summary>Where the parameters live and the model computes.</summary>
    public Device Device => Parameters.Device;

    /// <summary>Whether this is the model as training steps use it, see <see cref="InTraining"/>; what layers that work otherwise in training must be told.</summary>
    public bool IsTraining { get; private set; }

    /// <summary>The noise of what is dropped at random in this step of training; null for nothing, as everywhere but in training.</summary>
    protected Noise? TrainingNoise { get; private set; }

    /// <summary>The model in a few words, for tables and provenance.</summary>
    public abstract string Name { get; }

    /// <summary>The size n_l of every latent level, from the one nearest to the data upwards.</summary>
    public abstract IReadOnlyList<int> LatentSizes { get; }

    /// <summary>p(z_l | levels above).</summary>
    /// <param name="level">l; 0 is nearest to the data.</param>
    /// <param name="above">The samples drawn so far: levels l + 1, l + 2, ...; empty at the top.</param>
    public abstract LatentDistribution Prior(int level, IReadOnlyList<Tensor> above);

    /// <summary>p(x | z).</summary>
    /// <param name="z">Samples of all levels.</param>
    /// <param name="x">The observed batch, for models whose output also depends on the data before it (pixel by pixel, word by word).</param>
    public abstract OutputDistribution Output(Latents z, Observations x);

    /// <summary>p(z_l | levels above) for every level, at given samples. A model whose levels share work overrides it.</summary>
    /// <param name="z">Samples of all levels.</param>
    public virtual IReadOnlyList<LatentDistribution> Priors(Latents z) =>
        [.. Enumerable.Range(0, z.Levels.Count).Select(level => Prior(level, [.. z.Levels.Skip(level + 1)]))];

    /// <summary>All factors of p(x, z) at given samples. A model whose output and levels share work overrides it.</summary>
    /// <param name="z">Samples of all levels.</param>
    /// <param name="x">The observed batch.</param>
    public virtual (IReadOnlyList<LatentDistribution> Priors, OutputDistribution Output) Factors(Latents z, Observations x) => (Priors(z), Output(z, x));

    /// <summary>log p(x | z) in nats, [B, S] float64.</summary>
    /// <param name="x">The observed batch.</param>
    /// <param name="z">Samples.</param>
    public Tensor LogLikelihood(Observations x, Latents z) => Output(z, x).LogProb(x);

    /// <summary>log p(z) = Σ_l log p(z_l | levels above) in nats, [B, S] float64.</summary>
    /// <param name="z">Samples.</param>
    public Tensor LogPrior(Latents z) => LogPrior(Priors(z), z);

    /// <summary>The same from priors that are known already.</summary>
    /// <param name="priors">p(z_l | levels above) for every level, at these samples.</param>
    /// <param name="z">Samples.</param>
    public static Tensor LogPrior(IReadOnlyList<LatentDistribution> priors, Latents z)
    {
        Tensor sum = default;
        for (int level = z.Levels.Count - 1; level >= 0; level--)
        {
            Tensor term = priors[level].LogProb(z[level]);
            sum = sum.IsDefined ? sum + term : term;
        }
        return sum;
    }

    /// <summary>log p(x, z) = log p(x | z) + log p(z) in nats, [B, S] float64.</summary>
    /// <param name="x">The observed batch.</param>
    /// <param name="z">Samples.</param>
    public Tensor LogJoint(Observations x, Latents z)
    {
        (IReadOnlyList<LatentDistribution> priors, OutputDistribution output) = Factors(z, x);
        return output.LogProb(x) + LogPrior(priors, z);
    }

    /// <summary>Samples of the prior, level by level from the top.</summary>
    /// <param name="noise">The noise that makes them.</param>
    public Latents SamplePrior(Noise noise)
    {
        var levels = new List<Tensor>();
        for (int level = LatentSizes.Count - 1; level >= 0; level--)
            levels.Insert(0, Prior(level, levels).Sample(noise.Normal(LatentSizes[level], level)));
        return new Latents([.. levels]);
    }

    /// <summary>
    /// Draws one x ~ p(x | z) for each z, under the indices of a batch. A datapoint depends on the model, its z, the stream and its index, not on the others and not on what the batch holds.
    /// A model whose output depends on the data before it (pixel by pixel, word by word) overrides it.
    /// </summary>
    /// <param name="z">One sample [B, 1, n_l] of every level for each datapoint.</param>
    /// <param name="like">A batch of B datapoints of the kind that is drawn.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <exception cref="GapLabException">The model's output depends on the data before it, and it does not override this.</exception>
    public virtual Observations Sample(Latents z, Observations like, RandomStream stream)
    {
        var x = new List<double>();
        for (int row = 0; row < like.Count; row++)
        {
            using var scope = MemoryScope.Enter(record: false);
            Observations other = like.Select([row]);
            Latents own = z.Select(row);
            OutputDistribution output = Output(own, other);
            Tensor drawn = output.Sample(stream.At(other.Indices.Span[0]));
            Observations result = other.WithValues(drawn.Reshape(1, drawn.Shape[-1]));
            if (!output.Mean.ToArray().AsSpan().SequenceEqual(Output(own, result).Mean.ToArray()))
                throw new GapLabException(
                    $"The output of {Name} depends on the data before it, so that its data cannot be drawn at once; override Sample to draw them step by step.");
            x.AddRange(drawn.ToArray());
        }
        return like.WithValues(Tensor.Create(Device, new Shape(like.Count, x.Count / like.Count), x.ToArray()));
    }

    /// <summary>The same model with other parameter values.</summary>
    /// <param name="parameters">Values for the same names, see <see cref="ParameterSet.With"/>.</param>
    public GenerativeModel With(ParameterSet parameters)
    {
        var copy = (GenerativeModel)MemberwiseClone();
        copy.Parameters = parameters;
        return copy;
    }

    /// <summary>
    /// The same model, of the same parameters, as training steps use it: batch normalisation takes the statistics of the batch and moves its running averages.
    /// Whatever else computes with a model uses it as it is, when no datapoint's numbers depend on another's.
    /// </summary>
    public GenerativeModel InTraining()
    {
        var copy = (GenerativeModel)MemberwiseClone();
        copy.IsTraining = true;
        return copy;
    }

    /// <summary>In training, the same model with what the noise says dropped; outside training this model itself. Training rules compute every objective with it.</summary>
    /// <param name="noise">The noise of one evaluation.</param>
    public GenerativeModel WithTrainingNoise(Noise noise)
    {
        if (!IsTraining)
            return this;
        var copy = (GenerativeModel)MemberwiseClone();
        copy.TrainingNoise = noise;
        return copy;
    }
}
