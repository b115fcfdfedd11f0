using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>What a family is built from beside its own settings.</summary>
/// <param name="Model">The model whose latent variables it is for.</param>
/// <param name="Stream">The source of the initial values of shared parameters.</param>
public readonly record struct FamilyContext(GenerativeModel Model, RandomStream Stream)
{
    /// <summary>The size n of z, for families of models with one latent level.</summary>
    /// <param name="family">What an error message calls the family.</param>
    /// <exception cref="ShapeException">The model has more levels, or none.</exception>
    public int SingleLatentSize(string family) => Model.LatentSizes is [int size]
        ? size
        : throw new ShapeException($"The family {family} is for models with one latent level, not for {Model.LatentSizes.Count}.");
}
