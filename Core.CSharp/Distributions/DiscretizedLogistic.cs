using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Distributions;

/// <summary>
/// Pixels of 256 levels x = k / 255 (Kingma et al. 2016): level k is the event that a logistic variable with location m and scale s = e^v falls into bin k of 256 equal bins of
/// [0, 1], p(k) = σ((l + 1/256 - m) / s) - σ((l - m) / s) with l = k / 256. The outermost bins reach to infinity, so that the probabilities sum to 1.
/// </summary>
/// <remarks>
/// With a and b the standardised upper and lower edge, log p = -softplus(-a) - softplus(b) + log(1 - e^-δ), δ = a - b = 1 / (256 s): no difference of nearly equal numbers is ever
/// taken, neither far from the location nor at small or large scales. The lowest level lacks the terms of its lower edge, the highest those of its upper one.
/// </remarks>
public sealed class DiscretizedLogistic : OutputDistribution
{
    private const int Levels = 256;

    private readonly Tensor _location;
    private readonly Tensor _logScale;

    /// <summary>Pixels with given locations and scales.</summary>
    /// <param name="location">m [B, S, D].</param>
    /// <param name="logScale">v, of a shape that broadcasts to [B, S, D]; see <see cref="OverPixels"/> for one number a channel.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public DiscretizedLogistic(Tensor location, Tensor logScale)
    {
        if (location.Shape.Rank != 3 || Shape.Broadcast("DiscretizedLogistic", location.Shape, logScale.Shape) != location.Shape)
            throw new ShapeException($"DiscretizedLogistic: log-scales of shape {logScale.Shape} do not broadcast to locations of shape {location.Shape} (datapoints, samples, dimensions).");
        _location = location;
        _logScale = logScale;
    }

    /// <summary>Log-scales of single channels, repeated for every pixel of images with channels innermost: [..., D] from [..., C].</summary>
    /// <param name="logScale">One number a channel, [..., C].</param>
    /// <param name="dimensions">D, a multiple of C.</param>
    /// <exception cref="ShapeException">D is not a multiple of C.</exception>
    public static Tensor OverPixels(Tensor logScale, int dimensions)
    {
        Shape shape = logScale.Shape;
        int channels = shape.Rank == 0 ? 1 : shape[-1];
        if (channels == 0 || dimensions % channels != 0)
            throw new ShapeException($"DiscretizedLogistic: log-scales of shape {shape} cannot be repeated over {dimensions} dimensions, which are no multiple of the channels.");
        int rows = logScale.Count / channels, pixels = dimensions / channels;
        Tensor repeated = logScale.Reshape(rows, 1, channels).BroadcastTo(new Shape(rows, pixels, channels));
        return repeated.Reshape(shape.Rank == 0 ? new Shape(dimensions) : shape.With(-1, dimensions));
    }

    /// <summary>
    /// E[x | z] = (1/255) Σ_{k=1}^{255} P(level ≥ k), in [0, 1]: not the location where the outermost bins matter. Its derivatives on the tape are the location's, which is what
    /// <see cref="Error"/> refers to. 255 passes over the pixels.
    /// </summary>
    public override Tensor Mean => _location + MeanMinusLocation();

    private Tensor MeanMinusLocation()
    {
        using MemoryScope scope = MemoryScope.Enter(record: false);
        Tensor rate = (-_logScale).Exp(), sum = Tensor.Filled(_location.Device, _location.Shape, 0);
        for (int k = 1; k < Levels; k++)
        {
            using MemoryScope term = MemoryScope.Enter(record: false);
            sum.Assign(sum + ((_location - (double)k / Levels) * rate).Sigmoid());
        }
        return scope.Keep(sum / (Levels - 1) - _location);
    }

    /// <inheritdoc/>
    public override bool DependsOnMeanOnly => false;

    /// <inheritdoc/>
    public override Tensor LogProb(Observations x)
    {
        Tensor values = ValuesOf(x, _location.Shape);
        (Tensor hasLower, Tensor hasUpper) = Edges(values);
        Tensor rate = (-_logScale).Exp();
        Tensor lower = Lower(values, rate), upper = lower + rate / Levels;
        // 1 - e^-δ = -elu(-δ), without losing digits of a small δ.
        Tensor width = (-(rate * (-1.0 / Levels)).Elu()).Log();
        Tensor logProb = hasLower * hasUpper * width - hasUpper * (-upper).Softplus() - hasLower * lower.Softplus();
        return logProb.Sum(-1, ElementType.Float64);
    }

    /// <summary>The derivative of log p(x | z) with respect to the location, (1 / s) (σ(b) - σ(-a)) with the terms of existing edges only.</summary>
    /// <param name="x">The observed batch.</param>
    public override Tensor Error(Observations x)
    {
        Tensor values = ValuesOf(x, _location.Shape);
        (Tensor hasLower, Tensor hasUpper) = Edges(values);
        Tensor rate = (-_logScale).Exp();
        Tensor lower = Lower(values, rate), upper = lower + rate / Levels;
        return rate * (hasLower * lower.Sigmoid() - hasUpper * (-upper).Sigmoid());
    }

    /// <inheritdoc/>
    public override Tensor Sample(RandomStream stream)
    {
        double[] location = _location.ToArray(), logScale = _logScale.BroadcastTo(_location.Shape).ToArray();
        var uniform = new float[location.Length];
        stream.FillUniform(uniform);
        for (int i = 0; i < location.Length; i++)
        {
            // Uniform numbers are multiples of 2^-24: the middle between two keeps both logarithms finite.
            double u = uniform[i] + 0.5 / (1 << 24);
            double value = location[i] + Math.Exp(logScale[i]) * (Math.Log(u) - Math.Log(1 - u));
            location[i] = Math.Clamp(Math.Floor(value * Levels), 0, Levels - 1) / (Levels - 1);
        }
        return Tensor.Create(_location.Device, _location.Shape, location);
    }

    /// <summary>The standardised lower edge b of each pixel's bin.</summary>
    private Tensor Lower(Tensor values, Tensor rate) => (values * ((Levels - 1.0) / Levels) - _location) * rate;

    /// <summary>1 where a pixel's bin has a lower edge, and where it has an upper one, else 0.</summary>
    private static (Tensor HasLower, Tensor HasUpper) Edges(Tensor values)
    {
        const double Half = 0.5 / (Levels - 1);
        return ((Half - values).IsNegative(), (values - (1 - Half)).IsNegative());
    }
}
