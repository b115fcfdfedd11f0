namespace GapLab.Tensors;

/// <summary>
/// The numbers of one Adam update (Kingma and Ba 2015):
/// m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², p ← p + rate · (m / c₁) / (√(v / c₂) + ε), where c₁ and c₂ are the bias corrections.
/// </summary>
/// <param name="Rate">The step size; the step is an ascent.</param>
/// <param name="Beta1">The decay of the first moment.</param>
/// <param name="Beta2">The decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="Correction1">1 - β₁^t.</param>
/// <param name="Correction2">1 - β₂^t.</param>
public readonly record struct AdamStep(double Rate, double Beta1, double Beta2, double Epsilon, double Correction1, double Correction2);
