namespace GapLab.Objectives;

/// <summary>
/// The weights of the ELBO's terms: likelihood · E[log p(x | z)] + prior · E[log p(z)] - entropy · E[log q(z | x)]. All ones is the ELBO.
/// </summary>
/// <param name="Likelihood">The weight of log p(x | z).</param>
/// <param name="Prior">The weight of log p(z).</param>
/// <param name="Entropy">The weight of -log q(z | x).</param>
/// <param name="FreeBits">The least KL, in nats for each datapoint, that the objective charges: for each level where the KL terms are analytic, for all levels together where they are sampled. 0 switches this off.</param>
public readonly record struct ObjectiveWeights(double Likelihood, double Prior, double Entropy, double FreeBits = 0)
{
    /// <summary>The evidence lower bound itself.</summary>
    public static ObjectiveWeights Elbo => new(1, 1, 1);

    /// <summary>KL annealing (Bowman et al. 2016): the KL term has the weight w.</summary>
    /// <param name="w">From 0 to 1.</param>
    public static ObjectiveWeights KlAnnealing(double w) => new(1, w, w);

    /// <summary>Entropy annealing (Cremer et al. 2018, section 5.3.1): log q has the weight w; the prior keeps its own.</summary>
    /// <param name="w">From 0 to 1.</param>
    public static ObjectiveWeights EntropyAnnealing(double w) => new(1, 1, w);
}
