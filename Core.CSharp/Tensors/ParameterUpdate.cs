namespace GapLab.Tensors;

/// <summary>What an optimiser step reads and writes of one parameter; an optimiser hands over all its parameters at once.</summary>
/// <param name="Parameter">p, updated in place.</param>
/// <param name="Gradient">g, of what is to be raised.</param>
/// <param name="FirstMoment">m, or the velocity, updated in place; unused where there is none.</param>
/// <param name="SecondMoment">v, updated in place; unused where there is no second moment.</param>
public readonly record struct ParameterUpdate(Storage Parameter, Storage Gradient, Storage FirstMoment = default, Storage SecondMoment = default);
