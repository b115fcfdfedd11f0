namespace GapLab.Tensors;

/// <summary>
/// What a random stream is used for. The purpose enters the key of a <see cref="RandomStream"/>, so that streams of one seed and
/// different purposes are independent. The values are part of every stored result: never change one, only add.
/// </summary>
public enum RandomPurpose
{
    /// <summary>Initial values of parameters.</summary>
    Initialization = 1,

    /// <summary>The order of datapoints in an epoch.</summary>
    Shuffling = 2,

    /// <summary>Noise of the variational samples while training.</summary>
    TrainingNoise = 3,

    /// <summary>Stochastic binarization of grey values.</summary>
    Binarization = 4,

    /// <summary>Noise of the variational samples while evaluating.</summary>
    Evaluation = 5,

    /// <summary>Noise of the optimisation of one datapoint's variational parameters.</summary>
    LocalOptimization = 6,

    /// <summary>Importance samples of an IWAE bound.</summary>
    Importance = 7,

    /// <summary>Initial states of annealed importance sampling.</summary>
    AnnealedInitial = 8,

    /// <summary>Momenta of Hamiltonian Monte Carlo.</summary>
    Momentum = 9,

    /// <summary>Metropolis acceptance.</summary>
    Acceptance = 10,

    /// <summary>Bootstrap resampling of datapoints.</summary>
    Bootstrap = 11,

    /// <summary>Synthetic data sets.</summary>
    Synthetic = 12,

    /// <summary>Splits into training, validation and test sets.</summary>
    Split = 13,

    /// <summary>Dropout masks.</summary>
    Dropout = 14,

    /// <summary>Samples drawn from a generative model.</summary>
    ModelSampling = 15,

    /// <summary>Probe directions of numerical derivatives.</summary>
    Probe = 16,

    /// <summary>Inputs of tests and benchmarks.</summary>
    Test = 17,

    /// <summary>Uniform noise between grey levels.</summary>
    Dequantization = 18,
}
