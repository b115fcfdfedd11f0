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
    public static Tensor GlorotUniform(ParameterSet parameters, RandomStream stream, int outputs, int inputs)
    {
        var values = new float[outputs * inputs];
        stream.At(lane: parameters.Count).FillUniform(values);
        float bound = MathF.Sqrt(6f / (inputs + outputs));
        for (int i = 0; i < values.Length; i++)
            values[i] = bound * (2 * values[i] - 1);
        return Tensor.Create(parameters.Device, new Shape(outputs, inputs), values);
    }
}
