using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>
/// Gradient ascent: objectives here are bounds to be raised. An optimiser updates its parameters in place, all in one pass, and its own state lives
/// as long as the memory scope it was made in.
/// </summary>
public abstract class Optimizer
{
    private readonly Tensor[] _parameters;
    private readonly Tensor[] _firstMoments;
    private readonly Tensor[] _secondMoments;
    private readonly ParameterUpdate[] _updates;

    /// <summary>An optimiser whose moments start at zero.</summary>
    /// <param name="parameters">What it updates; all on one device.</param>
    /// <param name="learningRate">The step size.</param>
    /// <param name="moments">How many of them the rule keeps: none, the first, or both.</param>
    /// <exception cref="GapLabException">A parameter is named twice, or was computed from others.</exception>
    private protected Optimizer(IEnumerable<Tensor> parameters, double learningRate, int moments)
    {
        _parameters = [.. parameters];
        if (_parameters.Distinct().Count() != _parameters.Length || _parameters.Any(parameter => !parameter.IsLeaf))
            throw new GapLabException($"{Name}: the parameters must be different tensors that were not computed from others.");
        _firstMoments = moments > 0 ? [.. _parameters.Select(Zeros)] : [];
        _secondMoments = moments > 1 ? [.. _parameters.Select(Zeros)] : [];
        _updates = new ParameterUpdate[_parameters.Length];
        Moments = moments;
        LearningRate = learningRate;
    }

    /// <summary>The step size, which schedules change.</summary>
    public double LearningRate { get; set; }

    /// <summary>How many steps have been taken since the start or the last <see cref="Reset"/>. With the moments, the whole state: setting all of them resumes a run.</summary>
    public int Steps { get; set; }

    /// <summary>How many moments the rule keeps.</summary>
    internal int Moments { get; }

    /// <summary>The running averages of the gradients, in the parameters' order; none for rules without them.</summary>
    public IReadOnlyList<Tensor> FirstMoments => _firstMoments;

    /// <summary>The running averages of the squared gradients, in the parameters' order; none for rules without them.</summary>
    public IReadOnlyList<Tensor> SecondMoments => _secondMoments;

    private string Name => GetType().Name;

    /// <summary>One step for every parameter.</summary>
    /// <param name="gradients">The gradients of what is to be raised, in the parameters' order.</param>
    /// <param name="scale">What the gradients are multiplied by on the way, without copies; see <see cref="GradientClip.Factor"/>.</param>
    /// <exception cref="ShapeException">Another number of gradients, or another shape.</exception>
    /// <exception cref="DeviceMismatchException">A gradient is on another device than its parameter.</exception>
    public void Ascend(ReadOnlySpan<Tensor> gradients, double scale = 1)
    {
        if (gradients.Length != _parameters.Length)
            throw new ShapeException($"{Name}: {gradients.Length} gradients for {_parameters.Length} parameters.");
        if (gradients.Length == 0)
            return;
        // All are checked first: a step that is refused has changed nothing.
        for (int i = 0; i < gradients.Length; i++)
        {
            Tensor p = _parameters[i], g = gradients[i];
            if (g.Shape != p.Shape)
                throw new ShapeException($"{Name}: a gradient of shape {g.Shape} for a parameter of shape {p.Shape}.");
            if (!ReferenceEquals(g.Device, p.Device) || !ReferenceEquals(p.Device, _parameters[0].Device))
                throw new DeviceMismatchException($"{Name}: a gradient on the device '{g.Device}' for a parameter on '{p.Device}'; an optimiser's parameters and their gradients must be on one device.");
            if (g.Type != p.Type)
                throw new ShapeException($"{Name}: a {g.Type} gradient for a {p.Type} parameter.");
        }
        Steps++;
        for (int i = 0; i < gradients.Length; i++)
            _updates[i] = new ParameterUpdate(
                _parameters[i].ForUpdate(Name), gradients[i].StorageOf(Name), MomentOf(_firstMoments, i), MomentOf(_secondMoments, i));
        Step(_parameters[0].Device, _updates, scale);
        foreach (Tensor gradient in gradients)
            GC.KeepAlive(gradient.Scope);
        GC.KeepAlive(this);
    }

    /// <summary>Sets the moments to zero and counts steps from the start again, as a new optimiser at every stage of a schedule does.</summary>
    public void Reset()
    {
        Steps = 0;
        foreach (Tensor moment in _firstMoments.Concat(_secondMoments))
            moment.Device.Fill(moment.ForUpdate(Name), 0);
        GC.KeepAlive(this);
    }

    /// <summary>Moves all parameters.</summary>
    /// <param name="device">Their device.</param>
    /// <param name="updates">Parameters, gradients and moments.</param>
    /// <param name="gradientScale">What gradients are multiplied by first.</param>
    private protected abstract void Step(Device device, ReadOnlySpan<ParameterUpdate> updates, double gradientScale);

    private Storage MomentOf(Tensor[] moments, int i) => moments.Length > 0 ? moments[i].ForUpdate(Name) : default;

    private static Tensor Zeros(Tensor p) => Tensor.Filled(p.Device, p.Shape, 0, p.Type);
}
