using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>Images or vectors as batches x [B, height · width]: zeros and ones, or real numbers if they are not binarized.</summary>
/// <param name="device">Where the batches go.</param>
/// <param name="images">The images or vectors.</param>
/// <param name="binarization">How intensities become zeros and ones.</param>
public sealed class ImageSource(Device device, DataPart images, Binarization binarization) : ObservationSource
{
    [ThreadStatic]
    private static float[]? t_buffer;

    /// <inheritdoc/>
    public override int Count => images.Count;

    /// <inheritdoc/>
    public override string Description => $"{images.Name} ({binarization.Description})";

    /// <inheritdoc/>
    public override Observations Batch(ReadOnlySpan<int> indices, int epoch = 0)
    {
        int length = indices.Length * images.PixelCount;
        if (t_buffer is null || t_buffer.Length < length)
            t_buffer = new float[length];
        Span<float> rows = t_buffer.AsSpan(0, length);
        binarization.Fill(images, indices, epoch, rows);
        var ids = new int[indices.Length];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = images.Id(indices[i]);
        return new DenseObservations(Tensor.Create(device, new Shape(indices.Length, images.PixelCount), rows), ids);
    }
}
