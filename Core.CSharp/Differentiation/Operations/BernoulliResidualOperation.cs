using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// R = x - sigmoid(a) with a = h Wᵀ + b: the residuals that <see cref="LinearBernoulliOperation"/> has computed, as a function that can be
/// differentiated, for gradients of gradients. ā = -R̄ s (1 - s) with s = x - R, so the logits are not needed again.
/// </summary>
internal sealed class BernoulliResidualOperation : Operation
{
    public static readonly BernoulliResidualOperation Instance = new();

    public override string Name => "BernoulliResidual";

    public Tensor Apply(Tensor residual, Tensor h, Tensor weight, Tensor bias, Tensor x) =>
        Record(MemoryScope.View(residual, residual.Shape), default, h, weight, bias, x);

    public override void PullBack(ref PullBackContext context)
    {
        Tensor h = context.Input(0), weight = context.Input(1), x = context.Input(3);
        int d = weight.Shape[0], k = weight.Shape[1], rows = context.Output.Count / d;
        Tensor sigmoid = x.Reshape(x.Shape[0], 1, d) - context.Output;
        Tensor logits = -ActivationAdjointOperation.Instance.Apply(Activation.Sigmoid, sigmoid, context.Adjoint).Reshape(rows, d);
        if (context.Wants(0))
            context.Add(0, logits.MatMul(weight).Reshape(h.Shape));
        if (context.Wants(1))
            context.Add(1, logits.MatMul(h.Reshape(rows, k), transposeThis: true));
        if (context.Wants(2))
            context.Add(2, logits.Sum(0));
        if (context.Wants(3))
            context.Add(3, context.Adjoint.Sum(1));
    }
}
