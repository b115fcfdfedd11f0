using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>
/// Adam (Kingma and Ba 2015), as gradient ascent: objectives here are bounds to be raised. Updates its parameters in place.
/// </summary>
public sealed class Adam
{
    private readonly Tensor[] _parameters;
    private readonly Tensor[] _firstMoments;
    private readonly Tensor[] _secondMoments;
    private readonly AdamOptions _options;
    private int _steps;

    /// <summary>An optimiser whose moments start at zero and live as long as the current memory scope.</summary>
    /// <param name="parameters">What it updates.</param>
    /// <param name="options">Step size, decays, ε.</param>
    public Adam(IEnumerable<Tensor> parameters, AdamOptions options)
    {
        _parameters = [.. parameters];
        _firstMoments = [.. _parameters.Select(Zeros)];
        _secondMoments = [.. _parameters.Select(Zeros)];
        _options = options;
        LearningRate = options.LearningRate;
    }

    /// <summary>The step size, which schedules change.</summary>
    public double LearningRate { get; set; }

    /// <summary>p ← p + rate · m̂ / (√v̂ + ε) for every parameter.</summary>
    /// <param name="gradients">The gradients of what is to be raised, in the parameters' order.</param>
    /// <exception cref="ShapeException">Another number of gradients, or another shape.</exception>
    /// <exception cref="DeviceMismatchException">A gradient is on another device than its parameter.</exception>
    public void Ascend(ReadOnlySpan<Tensor> gradients)
    {
        if (gradients.Length != _parameters.Length)
            throw new ShapeException($"Adam: {gradients.Length} gradients for {_parameters.Length} parameters.");
        // All are checked first: a step that is refused has changed nothing.
        for (int i = 0; i < gradients.Length; i++)
        {
            Tensor p = _parameters[i], g = gradients[i];
            if (g.Shape != p.Shape)
                throw new ShapeException($"Adam: a gradient of shape {g.Shape} for a parameter of shape {p.Shape}.");
            if (!ReferenceEquals(g.Device, p.Device))
                throw new DeviceMismatchException($"Adam: a gradient on the device '{g.Device}' for a parameter on '{p.Device}'.");
        }
        _steps++;
        var step = new AdamStep(
            LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon,
            1 - Math.Pow(_options.Beta1, _steps), 1 - Math.Pow(_options.Beta2, _steps));
        for (int i = 0; i < gradients.Length; i++)
        {
            Tensor p = _parameters[i], g = gradients[i];
            p.Device.Adam(step, g.StorageOf("Adam"), _firstMoments[i].ForUpdate("Adam"), _secondMoments[i].ForUpdate("Adam"), p.ForUpdate("Adam"));
            GC.KeepAlive(g.Scope);
        }
        GC.KeepAlive(this);
    }

    /// <summary>Sets the moments to zero and counts steps from the start again, as a new optimiser at every stage of a schedule does.</summary>
    public void Reset()
    {
        _steps = 0;
        for (int i = 0; i < _parameters.Length; i++)
        {
            Tensor p = _parameters[i];
            p.Device.Fill(_firstMoments[i].ForUpdate("Adam"), 0);
            p.Device.Fill(_secondMoments[i].ForUpdate("Adam"), 0);
        }
    }

    private static Tensor Zeros(Tensor p) => Tensor.Filled(p.Device, p.Shape, 0, p.Type);
}
