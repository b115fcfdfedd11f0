using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// R, 1 - p at a row's word and -p elsewhere with p = softmax(h Wᵀ + b): the residuals that <see cref="LinearCategoricalOperation"/> has computed, as a function that can be differentiated, for gradients of
/// gradients. The logits are not needed again.
/// </summary>
internal sealed class CategoricalResidualOperation : Operation
{
    public static readonly CategoricalResidualOperation Instance = new();

    public override string Name => "CategoricalResidual";

    public Tensor Apply(Tensor residual, Tensor h, Tensor weight, Tensor bias, ReadOnlyMemory<int> ids)
    {
        Tensor view = MemoryScope.View(residual, residual.Shape);
        MemoryScope.SaveRows(view, ids);
        return Record(view, default, h, weight, bias);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor h = context.Input(0), weight = context.Input(1);
        Tensor logits = context.CreateGraph ? CategoricalResidualAdjointOperation.Instance.Apply(context.Output, context.Adjoint, context.Rows) : InPlace(context.Output, context.Adjoint, context.Rows);
        if (context.Wants(0))
            context.Add(0, logits.MatMul(weight));
        if (context.Wants(1))
            context.Add(1, logits.MatMul(h, transposeThis: true));
        if (context.Wants(2))
            context.Add(2, logits.Sum(0));
    }

    /// <summary>
    /// The same in the place of the adjoint, one buffer of logits less: nobody else has it, since residuals are used by products alone and the adjoint of a product is a tensor of its own.
    /// </summary>
    private Tensor InPlace(Tensor residual, Tensor g, ReadOnlyMemory<int> ids)
    {
        Storage storage = g.StorageOf(Name);
        g.Device.CategoricalResidualAdjoint(residual.StorageOf(Name), ids.Span, storage, storage, g.Shape[0], g.Shape[1]);
        return g;
    }
}
