using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>The distribution p(x | z) of a datapoint given each of its samples.</summary>
public abstract class OutputDistribution
{
    /// <summary>E[x | z], [B, S, D].</summary>
    public abstract Tensor Mean { get; }

    /// <summary>Whether nothing but the mean depends on z, so that the errors of the mean are all that the ELBO's gradient propagates.</summary>
    public virtual bool DependsOnMeanOnly => true;

    /// <summary>log p(x | z) in nats, [B, S] in float64.</summary>
    /// <param name="x">The observed batch; x is not copied over the samples.</param>
    /// <exception cref="ShapeException">The data do not fit the model.</exception>
    public abstract Tensor LogProb(Observations x);

    /// <summary>
    /// A tensor with the gradient of <see cref="LogProb"/> whose values may be anything: for leapfrog steps, which need no values. A
    /// distribution that can save work that way overrides it.
    /// </summary>
    /// <param name="x">The observed batch.</param>
    public virtual Tensor LogProbForGradient(Observations x) => LogProb(x);

    /// <summary>The output error that the ELBO's gradient propagates: the derivative of log p(x | z) with respect to <see cref="Mean"/>, [B, S, D].</summary>
    /// <param name="x">The observed batch.</param>
    public abstract Tensor Error(Observations x);

    /// <summary>One x [B, S, D] for every z.</summary>
    /// <param name="stream">The source of randomness.</param>
    public abstract Tensor Sample(RandomStream stream);

    /// <summary>The bits that a log-probability in nats amounts to for each dimension: -log p / (D log 2). 8 are those of uniform pixels.</summary>
    /// <param name="logProbability">log p in nats.</param>
    /// <param name="dimensions">D, pixels times channels.</param>
    public static double BitsPerDimension(double logProbability, int dimensions) => -logProbability / (dimensions * Math.Log(2));

    /// <summary>The data of a batch as [B, 1, D].</summary>
    /// <param name="x">The observed batch.</param>
    /// <param name="output">The shape [B, S, D] of the outputs that they are compared with.</param>
    /// <exception cref="ShapeException">The data are not vectors of numbers, or of another number or size than the outputs.</exception>
    protected static Tensor ValuesOf(Observations x, Shape output)
    {
        Shape shape = x.Values.Shape;
        if (output.Rank != 3 || shape[0] != output[0] || shape[1] != output[2])
            throw new ShapeException($"Outputs of shape {output} (datapoints, samples, dimensions) do not fit data of shape {shape} (datapoints, dimensions).");
        return x.Values.Reshape(shape[0], 1, shape[1]);
    }
}
