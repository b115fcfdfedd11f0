namespace GapLab.Networks;

/// <summary>What the initial weights of a fully connected layer are drawn from; its biases start at 0.</summary>
public enum LinearInitialization
{
    /// <summary>Uniform on ±√(6 / (in + out)) (Glorot and Bengio 2010).</summary>
    GlorotUniform,

    /// <summary>Normal with the variance 2 / in (He et al. 2015), as in the published code of Kim et al. 2018.</summary>
    HeNormal,
}
