using GapLab.Differentiation;
using GapLab.Distributions;

namespace GapLab.Families;

/// <summary>Samples of q(z | x) with their log-density.</summary>
/// <param name="Latents">z, [B, S, n_l] for every level.</param>
/// <param name="LogDensity">log q in nats, [B, S] float64; for families with auxiliary variables, the quantity that enters the bound in its place.</param>
/// <param name="Conditionals">Where q is Gaussian given the levels above: that Gaussian, for every level; else null. It makes analytic KL terms possible.</param>
public sealed record PosteriorSample(Latents Latents, Tensor LogDensity, IReadOnlyList<DiagonalGaussian>? Conditionals);
