using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// A layer of a gated PixelCNN (van den Oord et al. 2016, as Kim et al. 2018 use it), for images whose pixels come row by row. Of two stacks of feature maps, v at a pixel has seen only rows above it,
/// h also the pixels on its left:
/// <code>
/// a = W_v * v,  v' = g(a),  h' = W_o g(W_h * h + W_a a) (+ h),  g(a, b) = tanh(a) σ(b)
/// </code>
/// For kernels of size k, with p = ⌊k / 2⌋, W_v has p + 1 rows and k columns and ends at the row above the pixel; W_h has one row and p + 1 columns and ends at the pixel itself, in the first layer before
/// it. W_a and W_o are 1 x 1. All but W_v's and the first layer's W_h end at the pixel, so that no kernel has weights that must be zero.
/// </summary>
/// <remarks>
/// Where the published code moves outputs down or to the right, the first row or column become zeros; here the kernels read zeros there, and the biases remain. Since W_v ends at the row above in every
/// layer, as published, a layer sees r rows above no further to the right than the first r layers' p together: pixels beyond are never seen. With <c>skipsRow</c> false, for all layers but the first, W_v
/// ends at the pixel's own row of v, which has seen only rows above, too, and every row above counts in its whole width sooner.
/// </remarks>
public sealed class GatedPixelLayer
{
    private readonly Conv2d _vertical;
    private readonly Conv2d _horizontal;
    private readonly Conv2d _across;
    private readonly Conv2d _output;
    private readonly bool _isFirst;
    private readonly bool _skipsRow;

    /// <summary>Adds a layer's parameters to a set, initialised as those of <see cref="Conv2d"/>.</summary>
    /// <param name="parameters">The set; "name.vertical.weight", "name.vertical.bias", "name.horizontal...", "name.across..." and "name.output..." join it.</param>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">Channels of v and of h.</param>
    /// <param name="channels">Channels of v' and of h'.</param>
    /// <param name="kernelSize">k, odd.</param>
    /// <param name="isFirst">Whether v and h are the image itself, so that h' must not see the pixel; there is no h to add then.</param>
    /// <param name="stream">The source of the initial values.</param>
    /// <param name="skipsRow">Whether W_v ends at the row above the pixel; the first layer's always does.</param>
    /// <exception cref="ShapeException">The kernel size is even or not positive, or a later layer changes the number of channels.</exception>
    public GatedPixelLayer(ParameterSet parameters, string name, int inputs, int channels, int kernelSize, bool isFirst, RandomStream stream, bool skipsRow = true)
    {
        if (kernelSize < 1 || kernelSize % 2 == 0)
            throw new ShapeException($"GatedPixelLayer: kernels of size {kernelSize} have no middle; take an odd size.");
        if (!isFirst && inputs != channels)
            throw new ShapeException($"GatedPixelLayer: {inputs} channels cannot be added to {channels}; all layers after the first need one number of channels.");
        _isFirst = isFirst;
        _skipsRow = isFirst || skipsRow;
        Channels = channels;
        Reach = kernelSize / 2;
        int reach = Reach, up = _skipsRow ? 1 : 0, left = isFirst ? 1 : 0;
        _vertical = Layer("vertical", inputs, 2 * channels, reach + 1, kernelSize, new Padding(reach + up, -up, reach, reach));
        _across = Layer("across", 2 * channels, 2 * channels, 1, 1, 0);
        _horizontal = Layer("horizontal", inputs, 2 * channels, 1, reach + 1, new Padding(0, 0, reach + left, -left));
        _output = Layer("output", channels, channels, 1, 1, 0);

        Conv2d Layer(string part, int from, int to, int height, int width, Padding padding) =>
            new(parameters, $"{name}.{part}", from, to, height, width, 1, padding, Activation.Identity, stream);
    }

    /// <summary>Channels of v' and of h'.</summary>
    public int Channels { get; }

    /// <summary>p = ⌊k / 2⌋: how far the kernels reach to each side.</summary>
    public int Reach { get; }

    /// <summary>Whether W_v ends at the row above a pixel, not at the pixel's own row of v.</summary>
    public bool SkipsRow => _skipsRow;

    /// <summary>(v', h') [B, H, W, channels] for maps [B, H, W, inputs].</summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="vertical">v.</param>
    /// <param name="horizontal">h.</param>
    /// <param name="isLast">Whether nobody needs v', which is undefined then.</param>
    public (Tensor Vertical, Tensor Horizontal) Forward(ParameterSet parameters, Tensor vertical, Tensor horizontal, bool isLast = false)
    {
        Tensor above = _vertical.Forward(parameters, vertical);
        Tensor output = Combine(parameters, above, _horizontal.Forward(parameters, horizontal), default);
        return (isLast ? default : above.Gate(), _isFirst ? output : output + horizontal);
    }

    /// <summary>
    /// (v', h') [B · S, H, W, channels] of a first layer, for S inputs of each of B images: the image's own channels [B, H, W, c], in common, and others.
    /// </summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="image">The channels in common.</param>
    /// <param name="maps">The others, [B · S, H, W, inputs - c], seen like the image.</param>
    /// <param name="unmasked">What every pixel sees of its own place, added to W_h * h + W_a a: [B · S, H, W, 2 · channels]; default for nothing.</param>
    /// <param name="isLast">Whether nobody needs v', which is undefined then.</param>
    public (Tensor Vertical, Tensor Horizontal) ForwardFirst(ParameterSet parameters, Tensor image, Tensor maps, Tensor unmasked, bool isLast)
    {
        Tensor above = _vertical.Forward(parameters, image, maps);
        Tensor output = Combine(parameters, above, _horizontal.Forward(parameters, image, maps), unmasked);
        return (isLast ? default : above.Gate(), output);
    }

    private Tensor Combine(ParameterSet parameters, Tensor above, Tensor left, Tensor unmasked)
    {
        Tensor sum = left + _across.Forward(parameters, above);
        return _output.Forward(parameters, (unmasked.IsDefined ? sum + unmasked : sum).Gate());
    }

    /// <summary>
    /// One row of v' and of W_a a, for drawing images row by row: [B, 1, W, channels] and [B, 1, W, 2 · channels] from the p + 1 rows of v that end at the row itself or, if that is skipped, above it.
    /// </summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="rows">[B, p + 1, W, inputs]; zeros for rows above the image.</param>
    internal (Tensor Vertical, Tensor Across) NextRow(ParameterSet parameters, Tensor rows)
    {
        Tensor above = rows.Conv2d(_vertical.Weight(parameters), _vertical.Bias(parameters), 1, new Padding(0, 0, Reach, Reach));
        return (above.Gate(), _across.Forward(parameters, above));
    }

    /// <summary>
    /// One pixel of h', for drawing images pixel by pixel: [B, channels] from the p + 1 pixels of h that end at the pixel itself or, in the first layer, on its left.
    /// </summary>
    /// <param name="parameters">The set the layer belongs to, or one of the same names with other values.</param>
    /// <param name="pixels">[B, (p + 1) · inputs]; zeros for pixels on the left of the image.</param>
    /// <param name="across">The pixel of W_a a and of what else is added to it, [B, 2 · channels].</param>
    internal Tensor NextPixel(ParameterSet parameters, Tensor pixels, Tensor across)
    {
        Tensor weight = _horizontal.Weight(parameters);
        Tensor sum = pixels.Linear(weight.Reshape(weight.Shape[0], pixels.Shape[1]), _horizontal.Bias(parameters)) + across;
        Tensor output = _output.Weight(parameters);
        Tensor next = sum.Gate().Linear(output.Reshape(Channels, Channels), _output.Bias(parameters));
        return _isFirst ? next : next + pixels.Columns(Reach * Channels, Channels);
    }
}
