using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>
/// ℓ[b, s] = Σ_d x[b, d] a[b, s, d] - softplus(a[b, s, d]) with a = h Wᵀ + c: a linear layer and the log-likelihood of its outputs as logits, in
/// one pass. While a tape is kept, the residuals R = x - sigmoid(a) come out of the same exponential and are all that the adjoint needs:
/// h̄ = g (R W), W̄ = Rᵀ (g h), c̄ = Σ g R. Where only gradients are wanted, the values are NaN and cost nothing.
/// </summary>
internal sealed class LinearBernoulliOperation : Operation
{
    public static readonly LinearBernoulliOperation Instance = new();

    public override string Name => "LinearBernoulliLogLikelihood";

    public Tensor Apply(Tensor h, Tensor weight, Tensor bias, Tensor x, bool gradientOnly)
    {
        Device device = CommonDevice(Name, h, weight);
        CommonDevice(Name, h, bias);
        CommonDevice(Name, h, x);
        CommonType(Name, h, weight);
        CommonType(Name, h, bias);
        CommonType(Name, h, x);
        if (h.Shape.Rank != 3 || weight.Shape.Rank != 2 || x.Shape.Rank != 2 || bias.Shape != new Shape(weight.Shape[0])
            || h.Shape[2] != weight.Shape[1] || x.Shape[0] != h.Shape[0] || x.Shape[1] != weight.Shape[0])
            throw new ShapeException($"{Name}: an input of shape {h.Shape} (datapoints, samples, features), weights {weight.Shape}, biases {bias.Shape} and data of shape {x.Shape} do not fit.");
        int d = weight.Shape[0];
        LikelihoodParts parts = gradientOnly ? LikelihoodParts.Gradient : MemoryScope.IsRecording ? LikelihoodParts.Both : LikelihoodParts.Value;
        Tensor l = Allocate(device, h.Shape.Leading, ElementType.Float64, out Storage storage);
        Tensor residual = Allocate(device, h.Shape.With(-1, d), h.Type, out Storage work);
        device.LinearBernoulliLogLikelihood(
            h.StorageOf(Name), weight.StorageOf(Name), weight.Packed, bias.StorageOf(Name), x.StorageOf(Name), h.Shape[1], storage, work,
            parts, l.Count, d, weight.Shape[1]);
        MemoryScope.Save(l, residual);
        return Record(l, default, h, weight, bias, x);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor h = context.Input(0), weight = context.Input(1), bias = context.Input(2), x = context.Input(3);
        int rows = context.Output.Count, d = weight.Shape[0], k = weight.Shape[1];
        Tensor residual = context.CreateGraph
            ? BernoulliResidualOperation.Instance.Apply(context.Saved, h, weight, bias, x)
            : context.Saved;
        residual = residual.Reshape(rows, d);
        Tensor g = context.Adjoint.To(h.Type).Reshape(rows, 1);
        if (context.Wants(0))
            context.Add(0, (g * residual.MatMul(weight)).Reshape(h.Shape));
        if (context.Wants(1))
            context.Add(1, residual.MatMul(g * h.Reshape(rows, k), transposeThis: true));
        if (context.Wants(2))
            context.Add(2, residual.MatMul(g, transposeThis: true).Reshape(d));
        if (context.Wants(3))
            context.Add(3, (context.Adjoint.To(h.Type).Reshape(context.Output.Shape.Append(1)) * h.Linear(weight, bias)).Sum(1));
    }
}
