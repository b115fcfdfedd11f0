using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>The layers that a network of a hierarchical model or of its inference has at one latent level; lists of them begin at the level nearest to the data.</summary>
/// <param name="Hidden">The sizes of the hidden layers.</param>
/// <param name="Deterministic">How many units without noise go beside the level's latent variables to the next network; 0 at the top.</param>
public sealed record LevelLayers(IReadOnlyList<int> Hidden, int Deterministic = 0)
{
    /// <summary>Checks that a list describes the levels of a hierarchy.</summary>
    /// <param name="what">Who asks, for the message.</param>
    /// <param name="layers">The list.</param>
    /// <param name="levels">The number of latent levels.</param>
    /// <exception cref="ShapeException">There is no level, not one entry for each, a negative number of units, or the top has some.</exception>
    internal static void Require(string what, IReadOnlyList<LevelLayers> layers, int levels)
    {
        if (levels == 0 || layers.Count != levels)
            throw new ShapeException($"{what}: {levels} latent levels and layers of {layers.Count}; give the layers of every level, from the one nearest to the data upwards.");
        if (layers.Any(level => level.Deterministic < 0) || layers[^1].Deterministic != 0)
            throw new ShapeException(
                $"{what}: the deterministic units of the levels are {string.Join(", ", layers.Select(level => level.Deterministic))}; none can be negative, and the last, of the top level, must be 0.");
    }
}
