namespace GapLab.Tensors.Reference;

/// <summary>
/// The device that defines what every primitive means: float64, plain loops, one thread. It is the oracle that other devices are
/// tested against, and the one on which formulas are checked to nine digits and more.
/// </summary>
public sealed partial class ReferenceDevice : HostDevice
{
    private ReferenceDevice() { }

    /// <summary>The one reference device.</summary>
    public static ReferenceDevice Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "reference";

    /// <inheritdoc/>
    public override ElementType Real => ElementType.Float64;

    /// <inheritdoc/>
    public override void Broadcast(Storage x, Shape xShape, Storage y, Shape yShape)
    {
        for (int i = 0; i < yShape.Count; i++)
            y.Doubles[i] = x.Doubles[SourceIndex(i, yShape, xShape)];
    }

    /// <inheritdoc/>
    public override void Unary(UnaryFunction f, Storage x, Storage y)
    {
        for (int i = 0; i < x.Length; i++)
            y.Doubles[i] = ScalarFunctions.Evaluate(f, x.Doubles[i]);
    }

    /// <inheritdoc/>
    public override void Affine(Storage x, double scale, double shift, Storage y)
    {
        for (int i = 0; i < x.Length; i++)
            y.Doubles[i] = scale * x.Doubles[i] + shift;
    }

    /// <inheritdoc/>
    public override void Binary(BinaryFunction f, Storage x, Shape xShape, Storage y, Shape yShape, Storage z, Shape zShape)
    {
        for (int i = 0; i < zShape.Count; i++)
        {
            double a = x.Doubles[SourceIndex(i, zShape, xShape)];
            double b = y.Doubles[SourceIndex(i, zShape, yShape)];
            z.Doubles[i] = ScalarFunctions.Evaluate(f, a, b);
        }
    }

    /// <inheritdoc/>
    public override void Reduce(Reduction reduction, Storage x, int outer, int reduced, int inner, Storage y)
    {
        for (int o = 0; o < outer; o++)
            for (int i = 0; i < inner; i++)
            {
                double result = reduction == Reduction.Sum ? 0.0 : double.NegativeInfinity;
                for (int r = 0; r < reduced; r++)
                {
                    double value = x.Doubles[(o * reduced + r) * inner + i];
                    result = reduction == Reduction.Sum ? result + value : Math.Max(result, value);
                }
                y.Doubles[o * inner + i] = result;
            }
    }

    /// <inheritdoc/>
    public override void MatrixProduct(Storage a, bool transposeA, Storage b, bool transposeB, PackedWeight? packed, Storage c, int m, int n, int k)
    {
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int p = 0; p < k; p++)
                    sum += a.Doubles[transposeA ? p * m + i : i * k + p] * b.Doubles[transposeB ? j * k + p : p * n + j];
                c.Doubles[i * n + j] = sum;
            }
    }

    /// <inheritdoc/>
    public override void Linear(Storage x, Storage weight, PackedWeight? packed, Storage bias, Activation activation, Storage y, int m, int n, int k)
    {
        MatrixProduct(x, false, weight, true, null, y, m, n, k);
        for (int i = 0; i < m * n; i++)
            y.Doubles[i] = ScalarFunctions.Evaluate(activation, y.Doubles[i] + bias.Doubles[i % n]);
    }

    /// <inheritdoc/>
    public override void ActivationAdjoint(Activation activation, Storage y, Storage g, Storage d)
    {
        for (int i = 0; i < y.Length; i++)
            d.Doubles[i] = g.Doubles[i] * ScalarFunctions.DerivativeFromOutput(activation, y.Doubles[i]);
    }

    /// <inheritdoc/>
    public override void BernoulliLogLikelihood(Storage logits, Storage x, int repeat, Storage l, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            double sum = 0;
            for (int c = 0; c < columns; c++)
            {
                double a = logits.Doubles[r * columns + c];
                sum += x.Doubles[r / repeat * columns + c] * a - ScalarFunctions.Evaluate(UnaryFunction.Softplus, a);
            }
            l.Doubles[r] = sum;
        }
    }

    /// <inheritdoc/>
    public override void BernoulliLogLikelihoodAdjoint(Storage logits, Storage x, int repeat, Storage g, Storage d, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
            {
                double probability = ScalarFunctions.Evaluate(UnaryFunction.Sigmoid, logits.Doubles[r * columns + c]);
                d.Doubles[r * columns + c] = g.Doubles[r] * (x.Doubles[r / repeat * columns + c] - probability);
            }
    }

    /// <inheritdoc/>
    public override void LinearBernoulliLogLikelihood(
        Storage h, Storage weight, PackedWeight? packed, Storage bias, Storage x, int repeat, Storage l, Storage work, LikelihoodParts parts, int rows, int columns, int k)
    {
        Linear(h, weight, null, bias, Activation.Identity, work, rows, columns, k);
        if (parts == LikelihoodParts.Gradient)
            l.Doubles[..rows].Fill(double.NaN);
        else
            BernoulliLogLikelihood(work, x, repeat, l, rows, columns);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                work.Doubles[r * columns + c] =
                    x.Doubles[r / repeat * columns + c] - ScalarFunctions.Evaluate(UnaryFunction.Sigmoid, work.Doubles[r * columns + c]);
    }

    /// <inheritdoc/>
    public override void GaussianSample(Storage mean, Storage logVariance, Storage epsilon, Storage z, int rows, int samples, int size)
    {
        for (int i = 0; i < rows * samples * size; i++)
        {
            int parameter = i / (samples * size) * size + i % size;
            z.Doubles[i] = mean.Doubles[parameter] + Math.Exp(0.5 * logVariance.Doubles[parameter]) * epsilon.Doubles[i];
        }
    }

    /// <inheritdoc/>
    public override void GaussianSampleAdjoint(Storage logVariance, Storage epsilon, Storage g, Storage dMean, Storage dLogVariance, int rows, int samples, int size)
    {
        for (int b = 0; b < rows; b++)
            for (int j = 0; j < size; j++)
            {
                double sum = 0, product = 0;
                for (int s = 0; s < samples; s++)
                {
                    int i = (b * samples + s) * size + j;
                    sum += g.Doubles[i];
                    product += g.Doubles[i] * epsilon.Doubles[i];
                }
                dMean.Doubles[b * size + j] = sum;
                dLogVariance.Doubles[b * size + j] = 0.5 * Math.Exp(0.5 * logVariance.Doubles[b * size + j]) * product;
            }
    }

    /// <inheritdoc/>
    public override void StandardGaussianTerms(Storage mean, Storage logVariance, double p, double h, Storage y, int rows, int size)
    {
        for (int b = 0; b < rows; b++)
        {
            double sum = 0;
            for (int j = b * size; j < (b + 1) * size; j++)
            {
                double m = mean.Doubles[j], v = logVariance.Doubles[j];
                sum += h * (1 + ScalarFunctions.LogTwoPi + v) - p * (ScalarFunctions.LogTwoPi + Math.Exp(v) + m * m);
            }
            y.Doubles[b] = 0.5 * sum;
        }
    }

    /// <inheritdoc/>
    public override void StandardGaussianTermsAdjoint(Storage mean, Storage logVariance, double p, double h, Storage g, Storage dMean, Storage dLogVariance, int rows, int size)
    {
        for (int i = 0; i < rows * size; i++)
        {
            dMean.Doubles[i] = -p * g.Doubles[i / size] * mean.Doubles[i];
            dLogVariance.Doubles[i] = 0.5 * g.Doubles[i / size] * (h - p * Math.Exp(logVariance.Doubles[i]));
        }
    }

    /// <inheritdoc/>
    public override void Adam(in AdamStep step, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1)
    {
        foreach ((Storage p, Storage g, Storage m, Storage v) in parameters)
            for (int i = 0; i < p.Length; i++)
            {
                double gradient = gradientScale * g.Doubles[i];
                m.Doubles[i] = step.Beta1 * m.Doubles[i] + (1 - step.Beta1) * gradient;
                v.Doubles[i] = step.Beta2 * v.Doubles[i] + (1 - step.Beta2) * gradient * gradient;
                p.Doubles[i] += step.Rate * (m.Doubles[i] / step.Correction1) / (Math.Sqrt(v.Doubles[i] / step.Correction2) + step.Epsilon);
            }
    }

    /// <inheritdoc/>
    public override void AddScaled(double scale, ReadOnlySpan<ParameterUpdate> pairs)
    {
        foreach ((Storage p, Storage g, _, _) in pairs)
            for (int i = 0; i < p.Length; i++)
                p.Doubles[i] += scale * g.Doubles[i];
    }

    /// <inheritdoc/>
    public override void Momentum(double rate, double momentum, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1)
    {
        foreach ((Storage p, Storage g, Storage m, _) in parameters)
            for (int i = 0; i < p.Length; i++)
            {
                double gradient = gradientScale * g.Doubles[i];
                double step = momentum == 0 ? gradient : m.Doubles[i] = momentum * m.Doubles[i] + gradient;
                p.Doubles[i] += rate * step;
            }
    }

    /// <summary>The flat index in an operand of the element that broadcasting pairs with element i of the result.</summary>
    private static int SourceIndex(int i, Shape result, Shape operand)
    {
        int index = 0, stride = 1;
        for (int axis = 1; axis <= result.Rank; axis++)
        {
            int position = i % result[-axis];
            i /= result[-axis];
            if (axis > operand.Rank)
                break;
            if (operand[-axis] != 1)
                index += position * stride;
            stride *= operand[-axis];
        }
        return index;
    }
}
