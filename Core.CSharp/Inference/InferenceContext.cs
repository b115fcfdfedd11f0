using GapLab.Families;
using GapLab.Models;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>What an inference method is built from beside its own settings.</summary>
/// <param name="Model">The model that it infers for.</param>
/// <param name="Family">The family whose λ it produces.</param>
/// <param name="DataSize">The size D of x.</param>
/// <param name="Stream">The source of the initial weights.</param>
public readonly record struct InferenceContext(GenerativeModel Model, VariationalFamily Family, int DataSize, RandomStream Stream);
