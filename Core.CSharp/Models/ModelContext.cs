using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>What a model is built from beside its own settings.</summary>
/// <param name="Device">Where it computes.</param>
/// <param name="DataSize">The size D of x.</param>
/// <param name="Stream">The source of the initial weights.</param>
public readonly record struct ModelContext(Device Device, int DataSize, RandomStream Stream);
