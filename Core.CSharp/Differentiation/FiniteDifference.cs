namespace GapLab.Differentiation;

/// <summary>Derivatives by central differences, for checking others. On a float64 device their relative error is about 1e-8.</summary>
public static class FiniteDifference
{
    /// <summary>
    /// The gradient of a scalar function: (f(x + h e_i) - f(x - h e_i)) / 2h for every element i, where h is scaled by the element's size.
    /// </summary>
    /// <param name="f">The function; called in a scope of its own.</param>
    /// <param name="x">Where.</param>
    /// <param name="step">The relative step.</param>
    /// <returns>One derivative for each element of x.</returns>
    public static double[] Gradient(Func<Tensor, Tensor> f, Tensor x, double step = 1e-5)
    {
        double[] point = x.ToArray();
        var gradient = new double[point.Length];
        for (int i = 0; i < point.Length; i++)
        {
            double center = point[i], h = step * Math.Max(1, Math.Abs(center));
            double Evaluate(double value)
            {
                using var scope = MemoryScope.Enter();
                point[i] = value;
                return f(Tensor.Create(x.Device, x.Shape, point)).ToDouble();
            }
            gradient[i] = (Evaluate(center + h) - Evaluate(center - h)) / (2 * h);
            point[i] = center;
        }
        return gradient;
    }
}
