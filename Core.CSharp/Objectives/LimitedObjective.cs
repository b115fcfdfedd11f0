using GapLab.Differentiation;
using GapLab.Families;

namespace GapLab.Objectives;

/// <summary>An objective of which only some parameters are learnt, so that no derivatives with respect to the others are computed.</summary>
/// <param name="objective">The objective.</param>
/// <param name="parameters">What is learnt of it.</param>
internal sealed class LimitedObjective(IObjective objective, IReadOnlyList<Tensor> parameters) : IObjective
{
    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Parameters => parameters;

    /// <inheritdoc/>
    public Tensor Value(LocalParameters lambda) => objective.Value(lambda);
}
