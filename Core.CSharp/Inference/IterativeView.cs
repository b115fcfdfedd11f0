using GapLab.Differentiation;

namespace GapLab.Inference;

/// <summary>What an iterative inference network is given at one λ, constants to its derivatives.</summary>
/// <param name="Encodings">The input of every stage [B, width], but for what comes from the stage below; undefined for one that sees nothing else.</param>
/// <param name="Precisions">For every stage but the last, where errors go upwards: a [B, n] in the error a ⊙ μ - b of the level's mean μ. Else empty.</param>
/// <param name="Pulls">Likewise b [B, n].</param>
internal readonly record struct IterativeView(Tensor[] Encodings, Tensor[] Precisions, Tensor[] Pulls)
{
    /// <summary>The view with every tensor replaced.</summary>
    public IterativeView Map(Converter<Tensor, Tensor> change) => new(
        Array.ConvertAll(Encodings, encoding => encoding.IsDefined ? change(encoding) : encoding), Array.ConvertAll(Precisions, change), Array.ConvertAll(Pulls, change));

    /// <summary>Overwrites the tensors with those of another view.</summary>
    public void Assign(IterativeView other)
    {
        Tensor[] places = [.. Encodings, .. Precisions, .. Pulls], values = [.. other.Encodings, .. other.Precisions, .. other.Pulls];
        for (int i = 0; i < places.Length; i++)
            if (places[i].IsDefined)
                places[i].Assign(values[i]);
    }
}
