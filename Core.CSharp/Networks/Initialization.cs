using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>Initial values of weights, drawn from an explicit stream: the value of a parameter depends on its position in its set alone.</summary>
public static class Initialization
{
    /// <summary>
    /// Glorot and Bengio's (2010) uniform distribution on ±√(6 / (in + out)) for a weight matrix [out, in].
    /// </summary>
    /// <param name="parameters">The set that the weight will join.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="outputs">Rows.</param>
    /// <param name="inputs">Columns.</param>
    public static Tensor GlorotUniform(ParameterSet parameters, RandomStream stream, int outputs, int inputs) =>
        Uniform(parameters, stream, new Shape(outputs, inputs), MathF.Sqrt(6f / (inputs + outputs)));

    /// <summary>He et al.'s (2015) normal distribution of variance 2 / in for a weight matrix [out, in].</summary>
    /// <param name="parameters">The set that the weight will join.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="outputs">Rows.</param>
    /// <param name="inputs">Columns.</param>
    public static Tensor HeNormal(ParameterSet parameters, RandomStream stream, int outputs, int inputs)
    {
        var shape = new Shape(outputs, inputs);
        var values = new float[shape.Count];
        stream.At(lane: parameters.Count).FillNormal(values);
        float deviation = MathF.Sqrt(2f / inputs);
        return Tensor.Create(parameters.Device, shape, Array.ConvertAll(values, value => deviation * value));
    }

    /// <summary>The uniform distribution on ±1 / √fan: what PyTorch gives the kernels and biases of convolutions.</summary>
    /// <param name="parameters">The set that the parameter will join.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="shape">The parameter's shape.</param>
    /// <param name="fan">How many numbers enter one output.</param>
    public static Tensor FanInUniform(ParameterSet parameters, RandomStream stream, Shape shape, int fan) =>
        Uniform(parameters, stream, shape, 1 / MathF.Sqrt(fan));

    /// <summary>Gives all parameters of a set new values, uniform on ±bound.</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="stream">The source of randomness.</param>
    /// <param name="bound">The bound.</param>
    public static void AllUniform(ParameterSet parameters, RandomStream stream, double bound)
    {
        for (int i = 0; i < parameters.Count; i++)
            parameters[i].Assign(Uniform(parameters.Device, stream.At(lane: i), parameters[i].Shape, (float)bound));
    }

    private static Tensor Uniform(ParameterSet parameters, RandomStream stream, Shape shape, float bound) =>
        Uniform(parameters.Device, stream.At(lane: parameters.Count), shape, bound);

    private static Tensor Uniform(Device device, RandomStream stream, Shape shape, float bound)
    {
        var values = new float[shape.Count];
        stream.FillUniform(values);
        for (int i = 0; i < values.Length; i++)
            values[i] = bound * (2 * values[i] - 1);
        return Tensor.Create(device, shape, values);
    }
}
