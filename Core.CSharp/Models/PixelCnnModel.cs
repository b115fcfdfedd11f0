using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// A decoder of binary images whose pixels depend on those before them, row by row: p(x | z) = Π_i p(x_i | x_1, ..., x_{i-1}, z), by a gated PixelCNN (Kim et al. 2018, section 4.3). p(z) = N(0, I);
/// a linear layer makes images of z, which the first of the gated layers sees beside x; a 1 x 1 convolution of the last horizontal stack gives the logit of each pixel.
/// </summary>
/// <remarks>
/// With a latent size of 0 the level is there but has no variables: z is [B, S, 0], log p(z) = 0, and log p(x | z) is log p(x). Everything that works with latent variables works with none, too.
/// The weights of the linear layer start as <see cref="LinearInitialization.HeNormal"/>, convolutions as <see cref="Conv2d"/>, as published.
/// </remarks>
public sealed partial class PixelCnnModel : GenerativeModel
{
    /// <summary>Pixels of images that are decoded at once where no gradient is taken.</summary>
    private const int PixelsAtOnce = 50_000;

    private readonly int _height;
    private readonly int _width;
    private readonly int _inputs;
    private readonly Linear? _maps;
    private readonly Conv2d? _unmasked;
    private readonly GatedPixelLayer[] _layers;
    private readonly Conv2d _logits;

    /// <summary>A decoder with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    /// <param name="options">Its settings.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">No layer, no channels, an even kernel size, no pixels, or latent variables without maps.</exception>
    public PixelCnnModel(Device device, int height, int width, PixelCnnOptions options, RandomStream stream) : base(new ParameterSet(device))
    {
        if (height < 1 || width < 1 || options.KernelSizes.Count == 0 || options.Channels < 1 || options.LatentSize < 0 || (options.LatentSize > 0 && options.LatentMaps < 1))
            throw new ShapeException(
                $"PixelCnnModel: images of {height}x{width} pixels, {options.KernelSizes.Count} layers of {options.Channels} channels and {options.LatentMaps} maps of {options.LatentSize} latent variables; none but the number of latent variables can be zero.");
        (_height, _width) = (height, width);
        LatentSizes = [options.LatentSize];
        int maps = options.LatentSize == 0 ? 0 : options.LatentMaps, channels = options.Channels;
        _inputs = 1 + maps;
        if (maps > 0)
            _maps = new Linear(Parameters, "decoder.latent", options.LatentSize, height * width * maps, Activation.Identity, stream, LinearInitialization.HeNormal);
        if (maps > 0 && options.UnmaskedLatents)
            _unmasked = new Conv2d(Parameters, "decoder.unmasked", maps, 2 * channels, 1, 1, 1, 0, Activation.Identity, stream);
        _layers = [.. options.KernelSizes.Select((size, i) =>
            new GatedPixelLayer(Parameters, $"decoder.{i}", i == 0 ? _inputs : channels, channels, size, isFirst: i == 0, stream, skipsRow: !options.SeesRowsWhole))];
        _logits = new Conv2d(Parameters, "decoder.output", channels, 1, 1, 1, 1, 0, Activation.Identity, stream);
        Name = $"PixelCNN of {height}x{width} pixels, {(maps == 0 ? "no latent variables" : $"{options.LatentSize} latent variables in {maps} maps{(options.UnmaskedLatents ? ", also unmasked" : "")}")}, {channels} channels, kernels {string.Join('-', options.KernelSizes)}{(options.SeesRowsWhole ? ", whole rows" : "")}";
    }

    /// <summary>The choice of such a decoder, for the specification of an experiment; images are square, their side follows from the data.</summary>
    /// <param name="options">Its settings; null for those of the paper.</param>
    /// <exception cref="ShapeException">When it is built for data that are no square images.</exception>
    public static Component<ModelContext, GenerativeModel> Choice(PixelCnnOptions? options = null)
    {
        options ??= new PixelCnnOptions();
        var settings = new
        {
            options.LatentSize,
            options.KernelSizes,
            options.Channels,
            options.LatentMaps,
            unmaskedLatents = options.UnmaskedLatents ? true : (bool?)null,
            seesRowsWhole = options.SeesRowsWhole ? true : (bool?)null,
        };
        return new("pixel-cnn", revision: 1, settings, context =>
        {
            int side = ImageStack.SideOf("PixelCnnModel", context.DataSize, 1);
            return new PixelCnnModel(context.Device, side, side, options, context.Stream);
        });
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above) => DiagonalGaussian.Standard(Device, LatentSizes[level]);

    /// <inheritdoc/>
    public override OutputDistribution Output(Latents z, Observations x)
    {
        Shape rows = z[0].Shape.Leading;
        if (x.Values.Shape != new Shape(rows[0], _height * _width))
            throw new ShapeException($"PixelCnnModel: data of shape {x.Values.Shape} do not fit latent variables of {rows[0]} datapoints and images of {_height}x{_width} pixels.");
        // Without latent variables all samples of a datapoint are alike and computed once.
        int size = _height * _width, samples = _maps is null ? 1 : rows[1];
        Tensor own = z[0].Reshape(rows.Count, LatentSizes[0]);
        Tensor logits = RowPieces.Compute(rows[0] * samples, Math.Max(1, PixelsAtOnce / size), (first, count) => count == rows[0] * samples
            ? Logits(x.Values, own)
            : Logits(
                x.Values.GatherRows(Array.ConvertAll(RowPieces.Range(first, count), row => row / samples)),
                _maps is null ? own : own.GatherRows(RowPieces.Range(first, count))));
        return new Bernoulli(logits.Reshape(rows[0], samples, size).BroadcastTo(rows.Append(size)));
    }

    /// <summary>The logits [rows, H, W, 1] of images [B, H · W], with a z [rows, n] for each or, if rows is a multiple of B, several.</summary>
    private Tensor Logits(Tensor images, Tensor z)
    {
        Tensor image = images.Reshape(images.Shape[0], _height, _width, 1), vertical, horizontal;
        bool isSingle = _layers.Length == 1;
        if (_maps is null)
            (vertical, horizontal) = _layers[0].Forward(Parameters, image, image, isSingle);
        else
        {
            Tensor maps = MapsOf(z);
            (vertical, horizontal) = _layers[0].ForwardFirst(Parameters, image, maps, _unmasked?.Forward(Parameters, maps) ?? default, isSingle);
        }
        for (int i = 1; i < _layers.Length; i++)
            (vertical, horizontal) = _layers[i].Forward(Parameters, vertical, horizontal, isLast: i == _layers.Length - 1);
        return _logits.Forward(Parameters, horizontal);
    }

    /// <summary>The images that z is mapped to, [B · S, H, W, maps].</summary>
    private Tensor MapsOf(Tensor z) => _maps!.Forward(Parameters, z).Reshape(z.Shape.Leading.Count, _height, _width, _inputs - 1);
}
