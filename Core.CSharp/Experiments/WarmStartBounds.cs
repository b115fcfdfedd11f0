using GapLab.Bounds;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// What an estimate for one frame of a sequence is worth to the next: every image moves by one pixel to the right, and iterated inference of the moved image starts at its usual λ₀, or
/// at λ_K of the image before it moved. For each iteration t asked for, the ELBOs of the moved image in nats, columns "cold.t" and "warm.t".
/// </summary>
/// <param name="iterations">The iterations t, from 0.</param>
/// <param name="before">K, the iterations that the image before gets.</param>
/// <param name="width">Pixels in a row of an image.</param>
/// <param name="samples">Samples of each ELBO.</param>
/// <param name="channels">Numbers of a pixel.</param>
public sealed class WarmStartBounds(IReadOnlyList<int> iterations, int before, int width, int samples = 1000, int channels = 1)
    : Measure(new Component("warm-start-bounds", revision: 1, new { iterations, before, width, samples, channels = channels == 1 ? (int?)null : channels }))
{
    private readonly int _last = IterationBounds.LastOf(iterations);

    /// <inheritdoc/>
    public override string Title => "ELBO from the estimate of the frame before";

    /// <summary>The name of the column with the ELBO after t iterations from the usual start.</summary>
    /// <param name="t">From 0.</param>
    public static string Cold(int t) => $"cold.{t}";

    /// <summary>The name of the column with the ELBO after t iterations from the estimate of the frame before.</summary>
    /// <param name="t">From 0.</param>
    public static string Warm(int t) => $"warm.{t}";

    /// <inheritdoc/>
    /// <exception cref="GapLabException">The inference does not iterate, or the data are no images of that width.</exception>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        if (vae.Inference is not IIterated iterated)
            throw new GapLabException($"'{vae.Inference.Name}' does not iterate, so that it cannot start at an estimate.");
        Observations next = Moved(x);
        var (earlier, later) = (new RandomStream(seed, RandomPurpose.Evaluation), new RandomStream(seed, RandomPurpose.Evaluation).Fork(1));
        using var scope = MemoryScope.Enter(record: false);
        LocalParameters previous = iterated.WithIterations(before).Infer(vae.Model, vae.Family, x, earlier, 0).Final;
        var method = (IIterated)iterated.WithIterations(_last);
        InferenceTrace cold = ((InferenceMethod)method).Infer(vae.Model, vae.Family, next, later, 0);
        InferenceTrace warm = method.Infer(vae.Model, vae.Family, next, later, 0, previous);
        var sampler = new ImportanceSampler(samples);
        RandomStream noise = new RandomStream(seed, RandomPurpose.Importance).Fork(6);
        MeasuredColumn Column(string name, LocalParameters lambda) =>
            MeasuredColumn.Of(name, sampler.Estimate(vae.Model, vae.Family, next, lambda, noise, null, cancellation).Elbo);
        MeasuredColumn[] columns = [.. iterations.SelectMany(t => new[] { Column(Cold(t), cold.Points[t]), Column(Warm(t), warm.Points[t]) })];
        progress?.Invoke(x.Count);
        return new MeasureResult(columns);
    }

    /// <summary>Each image one pixel to the right; the column that comes into view is empty.</summary>
    private Observations Moved(Observations x)
    {
        int row = width * channels;
        if (x.Values.Shape[1] % row != 0)
            throw new GapLabException($"Frames of a sequence are made of images with rows of {width} pixels, which these data are not.");
        double[] pixels = x.Values.ToArray();
        var moved = new double[pixels.Length];
        for (int i = 0; i < pixels.Length; i++)
            moved[i] = i % row < channels ? 0 : pixels[i - channels];
        return x.WithValues(Tensor.Create(x.Device, x.Values.Shape, [.. moved.Select(pixel => (float)pixel)]));
    }
}
