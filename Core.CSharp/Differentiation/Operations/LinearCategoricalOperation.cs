using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// ℓ[r] = a[r, id_r] - log Σ_v e^a[r, v] with a = h Wᵀ + b: a linear layer and the log-probabilities of words given by its outputs as logits. While a tape is kept, the residuals R, 1 - p at the word and -p
/// elsewhere, take the place of the logits and are all that the adjoint needs: h̄ = g (R W), W̄ = Rᵀ (g h), b̄ = Σ g R. Without one, rows of logits come and go in pieces of bounded memory.
/// </summary>
internal sealed class LinearCategoricalOperation : Operation
{
    /// <summary>Logits that are held at once where nothing needs them later: 64 MB.</summary>
    private const int PieceSize = 1 << 24;

    public static readonly LinearCategoricalOperation Instance = new();

    public override string Name => "LinearCategoricalLogLikelihood";

    public Tensor Apply(Tensor h, Tensor weight, Tensor bias, ReadOnlyMemory<int> ids)
    {
        Device device = CommonDevice(Name, h, weight);
        CommonDevice(Name, h, bias);
        CommonType(Name, h, weight);
        CommonType(Name, h, bias);
        if (h.Shape.Rank != 2 || weight.Shape.Rank != 2 || bias.Shape != new Shape(weight.Shape[0]) || h.Shape[1] != weight.Shape[1] || h.Shape[0] != ids.Length)
            throw new ShapeException($"{Name}: an input of shape {h.Shape} (rows, features), weights {weight.Shape}, biases {bias.Shape} and {ids.Length} words do not fit.");
        int rows = h.Shape[0], v = weight.Shape[0], k = weight.Shape[1];
        EmbeddingOperation.RequireRows(Name, ids.Span, v);
        bool records = MemoryScope.IsRecording;
        int piece = records ? rows : Math.Min(rows, Math.Max(1, PieceSize / v));
        Tensor l = Allocate(device, h.Shape.Leading, ElementType.Float64, out Storage values);
        Tensor residual = Allocate(device, new Shape(piece, v), h.Type, out Storage work);
        Storage features = h.StorageOf(Name);
        for (int start = 0; start < rows; start += piece)
        {
            int count = Math.Min(piece, rows - start);
            Storage logits = work.Slice(0, count * v);
            device.Linear(features.Slice(start * k, count * k), weight.StorageOf(Name), weight.Packed, bias.StorageOf(Name), Activation.Identity, logits, count, v, k);
            device.CategoricalLogLikelihood(logits, ids.Span.Slice(start, count), values.Slice(start, count), records, count, v);
        }
        MemoryScope.Save(l, residual);
        MemoryScope.SaveRows(l, ids);
        return Record(l, default, h, weight, bias);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor h = context.Input(0), weight = context.Input(1), bias = context.Input(2);
        Tensor residual = context.CreateGraph
            ? CategoricalResidualOperation.Instance.Apply(context.Saved, h, weight, bias, context.Rows)
            : context.Saved;
        Tensor g = context.Adjoint.To(h.Type).Reshape(h.Shape[0], 1);
        if (context.Wants(0))
            context.Add(0, g * residual.MatMul(weight));
        if (context.Wants(1))
            context.Add(1, residual.MatMul(g * h, transposeThis: true));
        if (context.Wants(2))
            context.Add(2, residual.MatMul(g, transposeThis: true).Reshape(weight.Shape[0]));
    }
}
