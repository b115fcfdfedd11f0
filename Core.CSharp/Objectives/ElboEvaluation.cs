using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;

namespace GapLab.Objectives;

/// <summary>The ELBO together with what it was computed from.</summary>
/// <param name="Value">The objective of every datapoint, [B] float64 in nats.</param>
/// <param name="Sample">The samples of q.</param>
/// <param name="Priors">p(z_l | levels above) of every level at the samples.</param>
/// <param name="Output">p(x | z) at the samples.</param>
public readonly record struct ElboEvaluation(Tensor Value, PosteriorSample Sample, IReadOnlyList<LatentDistribution> Priors, OutputDistribution Output);
