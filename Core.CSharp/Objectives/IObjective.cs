using GapLab.Differentiation;
using GapLab.Families;

namespace GapLab.Objectives;

/// <summary>
/// A function of λ and θ to be maximised, one number for each datapoint in nats, deterministic: its noise is fixed when it is made. It is
/// what training, local optimisation and inference by gradients differentiate; gradients and Hessian-vector products come with
/// <see cref="ObjectiveDerivatives"/>.
/// </summary>
public interface IObjective
{
    /// <summary>The parameters θ that all datapoints share.</summary>
    IReadOnlyList<Tensor> Parameters { get; }

    /// <summary>The objective of every datapoint, [B] float64 in nats.</summary>
    /// <param name="lambda">λ.</param>
    Tensor Value(LocalParameters lambda);
}
