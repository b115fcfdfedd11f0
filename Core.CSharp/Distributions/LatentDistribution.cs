using GapLab.Differentiation;

namespace GapLab.Distributions;

/// <summary>A distribution of one level of latent variables, for every datapoint and sample.</summary>
public abstract class LatentDistribution
{
    /// <summary>log p(z) in nats, [B, S] in float64, for z [B, S, n].</summary>
    /// <param name="z">Samples.</param>
    public abstract Tensor LogProb(Tensor z);

    /// <summary>Samples z [B, S, n], differentiable with respect to the distribution's parameters.</summary>
    /// <param name="epsilon">Standard normals [B, S, n].</param>
    public abstract Tensor Sample(Tensor epsilon);
}
