namespace GapLab.Tensors;

/// <summary>A device's own copy of a weight matrix W [outputs, inputs], laid out for products with W and with Wᵀ.</summary>
public abstract class PackedWeight;
