using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>y[b] = p E[log N(z; 0, I)] + h H for z ~ N(μ_b, e^{v_b}), in nats; y is float64. With p = h = 1, minus the KL divergence to N(0, I).</summary>
internal sealed class StandardGaussianTermsOperation : Operation
{
    public static readonly StandardGaussianTermsOperation Instance = new();

    public override string Name => "StandardGaussianTerms";

    public Tensor Apply(Tensor mean, Tensor logVariance, double p, double h)
    {
        Device device = CommonDevice(Name, mean, logVariance);
        CommonType(Name, mean, logVariance);
        if (mean.Shape.Rank != 2 || logVariance.Shape != mean.Shape)
            throw new ShapeException($"{Name}: means {mean.Shape} and log-variances {logVariance.Shape} must be two matrices (datapoints, components) of one shape.");
        Tensor y = Allocate(device, new Shape(mean.Shape[0]), ElementType.Float64, out Storage storage);
        device.StandardGaussianTerms(mean.StorageOf(Name), logVariance.StorageOf(Name), p, h, storage, mean.Shape[0], mean.Shape[1]);
        return Record(y, new OperationAttributes(A: p, B: h), mean, logVariance);
    }

    public override void PullBack(ref PullBackContext context)
    {
        (double p, double h, _, _, _) = context.Attributes;
        Tensor g = context.Adjoint, mean = context.Input(0), logVariance = context.Input(1);
        if (context.CreateGraph)
        {
            Tensor weight = g.To(mean.Type).Reshape(g.Count, 1);
            if (context.Wants(0))
                context.Add(0, weight * mean * -p);
            if (context.Wants(1))
                context.Add(1, weight * logVariance.Exp().Affine(-0.5 * p, 0.5 * h));
            return;
        }
        Tensor dMean = Allocate(mean.Device, mean.Shape, mean.Type, out Storage byMean);
        Tensor dLogVariance = Allocate(mean.Device, mean.Shape, mean.Type, out Storage byLogVariance);
        mean.Device.StandardGaussianTermsAdjoint(
            mean.StorageOf(Name), logVariance.StorageOf(Name), p, h, g.StorageOf(Name), byMean, byLogVariance, mean.Shape[0], mean.Shape[1]);
        if (context.Wants(0))
            context.Add(0, dMean);
        if (context.Wants(1))
            context.Add(1, dLogVariance);
    }
}
