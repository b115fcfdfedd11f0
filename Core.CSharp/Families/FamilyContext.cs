using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Families;

/// <summary>What a family is built from beside its own settings.</summary>
/// <param name="Model">The model whose latent variables it is for.</param>
/// <param name="Stream">The source of the initial values of shared parameters.</param>
public readonly record struct FamilyContext(GenerativeModel Model, RandomStream Stream);
