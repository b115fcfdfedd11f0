namespace GapLab.Tensors;

/// <summary>The type of the numbers in a storage.</summary>
public enum ElementType
{
    /// <summary>IEEE binary32: activations, weights and their gradients on fast devices.</summary>
    Float32,

    /// <summary>IEEE binary64: log-densities, KL terms, energies and log-weights on every device; everything on the reference device.</summary>
    Float64,
}
