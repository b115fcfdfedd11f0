using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// Batch normalisation over channels (Ioffe and Szegedy 2015): y = γ (x - m) / √(v + ε) + β for each channel, with the mean m and the variance v of the batch in training, and
/// running averages of both afterwards, when a datapoint's output must not depend on the others of its batch.
/// </summary>
/// <remarks>
/// The running averages are entries of the parameter set like γ and β, so that whatever stores, restores or copies a model includes them. In training no output depends on them:
/// their gradients are zero, and an optimiser leaves them as they are.
/// </remarks>
public sealed class BatchNorm
{
    private readonly int _scale;
    private readonly int _shift;
    private readonly int _mean;
    private readonly int _variance;
    private readonly double _momentum;
    private readonly double _epsilon;

    /// <summary>Adds a layer's parameters to a set: scales of 1, shifts of 0, and running averages that start at 0 and 1.</summary>
    /// <param name="parameters">The set; "name.scale", "name.shift", "name.mean" and "name.variance" join it.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="channels">The size of the innermost axis.</param>
    /// <param name="momentum">The weight of a new batch in the running averages.</param>
    /// <param name="epsilon">Added to variances.</param>
    public BatchNorm(ParameterSet parameters, string name, int channels, double momentum = 0.1, double epsilon = 1e-5)
    {
        _momentum = momentum;
        _epsilon = epsilon;
        _scale = parameters.Add($"{name}.scale", Channels(1));
        _shift = parameters.Add($"{name}.shift", Channels(0));
        _mean = parameters.AddAverage($"{name}.mean", Channels(0));
        _variance = parameters.AddAverage($"{name}.variance", Channels(1));

        Tensor Channels(double value) => Tensor.Filled(parameters.Device, new Shape(channels), value);
    }

    /// <summary>y of the shape of x [..., channels].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    /// <param name="isTraining">
    /// Whether to take the batch's own statistics, and to move the running averages of the set towards them: the mean, and the unbiased variance n / (n - 1) v. Not for several threads
    /// at once.
    /// </param>
    /// <exception cref="ShapeException">Another number of channels, or a single number a channel in training.</exception>
    public Tensor Forward(ParameterSet parameters, Tensor x, bool isTraining)
    {
        Tensor mean = parameters[_mean], variance = parameters[_variance];
        int channels = mean.Count;
        if (x.Shape.Rank == 0 || x.Shape[-1] != channels)
            throw new ShapeException($"BatchNorm: an input of shape {x.Shape} does not fit {channels} channels.");
        if (isTraining)
        {
            Tensor rows = x.Reshape(x.Shape.Leading.Count, channels);
            int count = rows.Shape[0];
            if (count < 2)
                throw new ShapeException($"BatchNorm: an input of shape {x.Shape} has {count} numbers a channel; training needs two at least to estimate a variance.");
            mean = rows.Mean(0);
            variance = (rows - mean).Square().Mean(0);
            MoveTowards(parameters[_mean], mean, 1);
            MoveTowards(parameters[_variance], variance, count / (count - 1.0));
        }
        Tensor gain = parameters[_scale] / (variance + _epsilon).Sqrt();
        return (x - mean) * gain + parameters[_shift];
    }

    private void MoveTowards(Tensor average, Tensor value, double factor)
    {
        using var scope = MemoryScope.Enter(record: false);
        average.Assign((1 - _momentum) * average + (_momentum * factor) * value);
    }
}
