using GapLab.Differentiation;

namespace GapLab.Inference;

/// <summary>What a recurrent inference network remembers from one iteration to the next, stage by stage; undefined tensors for one that is not recurrent.</summary>
internal readonly record struct IterativeState((Tensor Hidden, Tensor Cell)[] Recurrent);
