using GapLab.Tensors;

namespace GapLab.Differentiation.Operations;

/// <summary>z[b, s, j] = μ[b, j] + exp(½ v[b, j]) ε[b, s, j].</summary>
internal sealed class GaussianSampleOperation : Operation
{
    public static readonly GaussianSampleOperation Instance = new();

    public override string Name => "GaussianSample";

    public Tensor Apply(Tensor mean, Tensor logVariance, Tensor epsilon)
    {
        Device device = CommonDevice(Name, mean, logVariance);
        CommonDevice(Name, mean, epsilon);
        CommonType(Name, mean, logVariance);
        ElementType type = CommonType(Name, mean, epsilon);
        if (mean.Shape.Rank != 2 || logVariance.Shape != mean.Shape || epsilon.Shape.Rank != 3
            || epsilon.Shape[0] != mean.Shape[0] || epsilon.Shape[2] != mean.Shape[1])
            throw new ShapeException($"{Name}: means {mean.Shape}, log-variances {logVariance.Shape} (datapoints, components) and noise {epsilon.Shape} (datapoints, samples, components) do not fit.");
        Tensor z = Allocate(device, epsilon.Shape, type, out Storage storage);
        device.GaussianSample(
            mean.StorageOf(Name), logVariance.StorageOf(Name), epsilon.StorageOf(Name), storage, mean.Shape[0], epsilon.Shape[1], mean.Shape[1]);
        return Record(z, default, mean, logVariance, epsilon);
    }

    public override void PullBack(ref PullBackContext context)
    {
        Tensor g = context.Adjoint, logVariance = context.Input(1), epsilon = context.Input(2);
        if (context.Wants(2))
            context.Add(2, g * (0.5 * logVariance).Exp().Reshape(logVariance.Shape[0], 1, logVariance.Shape[1]));
        if (context.CreateGraph)
        {
            if (context.Wants(0))
                context.Add(0, g.Sum(1));
            if (context.Wants(1))
                context.Add(1, 0.5 * (0.5 * logVariance).Exp() * (g * epsilon).Sum(1));
            return;
        }
        if (!context.Wants(0) && !context.Wants(1))
            return;
        Shape shape = logVariance.Shape;
        Tensor dMean = Allocate(g.Device, shape, g.Type, out Storage mean);
        Tensor dLogVariance = Allocate(g.Device, shape, g.Type, out Storage variance);
        g.Device.GaussianSampleAdjoint(
            logVariance.StorageOf(Name), epsilon.StorageOf(Name), g.StorageOf(Name), mean, variance, shape[0], epsilon.Shape[1], shape[1]);
        if (context.Wants(0))
            context.Add(0, dMean);
        if (context.Wants(1))
            context.Add(1, dLogVariance);
    }
}
