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
        Tensor g = context.Adjoint, a = context.Input(0), x = context.Input(1);
        if (context.Wants(0) && !context.CreateGraph)
        {
            Tensor d = Allocate(a.Device, a.Shape, a.Type, out Storage storage);
            a.Device.BernoulliLogLikelihoodAdjoint(a.StorageOf(Name), x.StorageOf(Name), a.Shape[1], g.StorageOf(Name), storage, g.Count, a.Shape[2]);
            context.Add(0, d);
            if (!context.Wants(1))
                return;
        }
        Tensor weight = g.To(a.Type).Reshape(g.Shape.Append(1));
        if (context.Wants(0) && context.CreateGraph)
            context.Add(0, weight * (x.Reshape(x.Shape[0], 1, x.Shape[1]) - a.Sigmoid()));
        if (context.Wants(1))
            context.Add(1, (weight * a).Sum(1));
    }
}
