using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>ℓ[b, s] = Σ_d x[b, d] a[b, s, d] - softplus(a[b, s, d]); ℓ is float64.</summary>
internal sealed class BernoulliLogLikelihoodOperation : Operation
{
    public static readonly BernoulliLogLikelihoodOperation Instance = new();

    public override string Name => "BernoulliLogLikelihood";

    public Tensor Apply(Tensor logits, Tensor x)
    {
        Device device = CommonDevice(Name, logits, x);
        CommonType(Name, logits, x);
        if (logits.Shape.Rank != 3 || x.Shape.Rank != 2 || x.Shape[0] != logits.Shape[0] || x.Shape[1] != logits.Shape[2])
            throw new ShapeException($"BernoulliLogLikelihood: logits of shape {logits.Shape} (datapoints, samples, pixels) do not fit data of shape {x.Shape} (datapoints, pixels).");
        Tensor l = Allocate(device, logits.Shape.Leading, ElementType.Float64, out Storage storage);
        device.BernoulliLogLikelihood(logits.StorageOf(Name), x.StorageOf(Name), logits.Shape[1], storage, l.Count, logits.Shape[2]);
        return Record(l, default, logits, x);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint, logits = context.Input(0), x = context.Input(1);
        if (context.Wants(0))
            context.Add(0, context.CreateGraph ? Composite(logits, x, g) : Fused(logits, x, g));
        if (context.Wants(1))
            context.Add(1, (Weight(g, logits) * logits).Sum(1));
    }

    /// <summary>g (x - sigmoid(a)) in operations that can be differentiated again.</summary>
    private static Tensor Composite(Tensor logits, Tensor x, Tensor g) =>
        Weight(g, logits) * (x.Reshape(x.Shape[0], 1, x.Shape[1]) - logits.Sigmoid());

    /// <summary>The same in one pass.</summary>
    private Tensor Fused(Tensor logits, Tensor x, Tensor g)
    {
        Tensor d = Allocate(logits.Device, logits.Shape, logits.Type, out Storage storage);
        logits.Device.BernoulliLogLikelihoodAdjoint(
            logits.StorageOf(Name), x.StorageOf(Name), logits.Shape[1], g.StorageOf(Name), storage, g.Count, logits.Shape[2]);
        return d;
    }

    private static Tensor Weight(Tensor g, Tensor logits) => g.To(logits.Type).Reshape(g.Shape.Append(1));
}
