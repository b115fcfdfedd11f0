using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Tensors;

namespace GapLab.Models;

// Drawing images pixel by pixel. A row of the vertical stacks is known before the row's pixels are, and of the horizontal stacks only one pixel is new at a time, so that an image costs as much as
// one evaluation of the model and not as many as it has pixels.
public sealed partial class PixelCnnModel
{
    /// <inheritdoc/>
    public override Observations Sample(Latents z, Observations like, RandomStream stream)
    {
        int count = like.Count, size = _height * _width;
        if (z[0].Shape.Rank != 3 || z[0].Shape[0] != count || z[0].Shape[1] != 1)
            throw new ShapeException($"PixelCnnModel: drawing {count} images needs latent variables of shape (datapoints, 1, size) with {count} datapoints, not {z[0].Shape}.");
        if (count == 0)
            return like;
        var uniform = new float[count * size];
        for (int b = 0; b < count; b++)
            stream.At(like.Indices.Span[b]).FillUniform(uniform.AsSpan(b * size, size));
        var x = new double[count * size];
        using (var scope = MemoryScope.Enter(record: false))
        {
            Tensor maps = _maps is null ? default : MapsOf(z[0]).Reshape(count, size * (_inputs - 1));
            // Of every layer's v, the rows that its kernels reach.
            Tensor[] above = [.. _layers.Select((layer, l) => Tensor.Filled(Device, new Shape(count, (layer.Reach + 1) * _width * (l == 0 ? _inputs : layer.Channels)), 0).ToOwned())];
            for (int i = 0; i < _height; i++)
                DrawRow(i, maps, above, uniform, x);
        }
        return like.WithValues(Tensor.Create(Device, new Shape(count, size), x));
    }

    private void DrawRow(int row, Tensor maps, Tensor[] above, float[] uniform, double[] x)
    {
        using var scope = MemoryScope.Enter(record: false);
        int count = above[0].Shape[0], inputs = _inputs, channels = _layers[0].Channels;
        var across = new Tensor[_layers.Length];
        Tensor vertical = default;
        for (int l = 0; l < _layers.Length; l++)
        {
            GatedPixelLayer layer = _layers[l];
            if (l > 0 && !layer.SkipsRow)
                above[l] = Shift(above[l], vertical);
            (Tensor next, across[l]) = layer.NextRow(Parameters, above[l].Reshape(count, layer.Reach + 1, _width, l == 0 ? inputs : channels));
            if (l > 0 && layer.SkipsRow)
                above[l] = Shift(above[l], vertical);
            (vertical, across[l]) = (next.Reshape(count, _width * channels), across[l].Reshape(count, _width * 2 * channels));
        }
        // The maps of z in this row, for every pixel beside the one that is drawn.
        Tensor own = maps.IsDefined ? maps.Columns(row * _width * (inputs - 1), _width * (inputs - 1)) : default;
        if (_unmasked is not null)
            across[0] += _unmasked.Forward(Parameters, own.Reshape(count, 1, _width, inputs - 1)).Reshape(across[0].Shape);
        Tensor[] left = [.. _layers.Select((layer, l) => Tensor.Filled(Device, new Shape(count, (layer.Reach + 1) * (l == 0 ? inputs : channels)), 0))];
        var pixels = new Tensor[_width];
        for (int j = 0; j < _width; j++)
        {
            Tensor horizontal = default;
            for (int l = 0; l < _layers.Length; l++)
            {
                if (l > 0)
                    left[l] = Shift(left[l], horizontal);
                horizontal = _layers[l].NextPixel(Parameters, left[l], across[l].Columns(j * 2 * channels, 2 * channels));
            }
            double[] mean = _logits.Forward(Parameters, horizontal.Reshape(count, 1, 1, channels)).Sigmoid().ToArray();
            int at = row * _width + j;
            for (int b = 0; b < count; b++)
                mean[b] = x[b * _height * _width + at] = uniform[b * _height * _width + at] < mean[b] ? 1 : 0;
            Tensor drawn = Tensor.Create(Device, new Shape(count, 1), mean);
            pixels[j] = own.IsDefined ? Tensor.Concatenate(drawn, own.Columns(j * (inputs - 1), inputs - 1)) : drawn;
            left[0] = Shift(left[0], pixels[j]);
        }
        above[0] = Shift(above[0], Tensor.Concatenate(pixels));
        for (int l = 0; l < above.Length; l++)
            above[l] = above[l].ToOwned();
    }

    /// <summary>The numbers of a window [B, n · k] with the first k dropped and new ones [B, k] behind them.</summary>
    private static Tensor Shift(Tensor window, Tensor next)
    {
        int rest = window.Shape[1] - next.Shape[1];
        return rest == 0 ? next : Tensor.Concatenate(window.Columns(next.Shape[1], rest), next);
    }
}
