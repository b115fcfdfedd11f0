using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Models;

/// <summary>
/// The decoder of square colour images of the paper's Table 9 (Cremer et al. 2018): p(z) = N(0, I); a linear layer from z to the smallest image, transposed convolutions with batch
/// normalisation up to the locations of a discretised logistic distribution of every pixel and channel; and a second, fully connected network from z to one log-scale for each channel.
/// For 32 x 32 pixels and 64, 128, 256 channels the images between have the sides 2, 6, 15, 32.
/// </summary>
/// <remarks>
/// Activations are ELU: after the linear layer, after each batch normalisation, and in the second network; the last convolution ends in a sigmoid. Pixels are interleaved: x [B, side · side ·
/// channels] with channels innermost. The log-scales are v = c tanh(a / c) of the second network's outputs a, so that |v| &lt; c: without a bound a single z far out makes a scale so small
/// that the likelihood of an image overflows, which happens within the first steps of training.
/// </remarks>
public sealed class ConvolutionalModel : GenerativeModel
{
    private readonly int _side;
    private readonly int _imageChannels;
    private readonly int _smallestSide;
    private readonly int _deepest;
    private readonly Linear _start;
    private readonly ConvTranspose2d[] _up;
    private readonly BatchNorm[] _norms;
    private readonly Mlp _scaleHidden;
    private readonly Linear _logScale;
    private readonly double _logScaleBound;

    /// <summary>A decoder with freshly initialised weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="channels">Channels of the images between, from the largest to the smallest, as an encoder passes them; at least one.</param>
    /// <param name="scaleHidden">The hidden layers of the network of the log-scales.</param>
    /// <param name="side">Rows and columns of the images.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <param name="logScaleBound">c, positive; a scale of e^-7 is a quarter of a level, one of e^7 makes all levels alike.</param>
    /// <exception cref="ShapeException">The images are too small for so many convolutions.</exception>
    /// <exception cref="GapLabException">The bound is not positive.</exception>
    public ConvolutionalModel(
        Device device, int latentSize, IReadOnlyList<int> channels, IReadOnlyList<int> scaleHidden, int side, int imageChannels, RandomStream stream, double logScaleBound = 7)
        : base(new ParameterSet(device))
    {
        if (channels.Count == 0)
            throw new ShapeException("ConvolutionalModel: a decoder needs one transposed convolution at least.");
        if (!(logScaleBound > 0))
            throw new GapLabException($"ConvolutionalModel: the bound of the log-scales must be positive, not {logScaleBound}.");
        LatentSizes = [latentSize];
        _side = side;
        _imageChannels = imageChannels;
        _logScaleBound = logScaleBound;
        int[] sides = ImageStack.Sides(side, channels.Count);
        _smallestSide = sides[^1];
        _deepest = channels[^1];
        _start = new Linear(Parameters, "decoder.start", latentSize, _smallestSide * _smallestSide * _deepest, Activation.Elu, stream);
        _up = new ConvTranspose2d[channels.Count];
        _norms = new BatchNorm[channels.Count - 1];
        for (int i = 0; i < _up.Length; i++)
        {
            int level = channels.Count - i;
            bool isLast = level == 1;
            _up[i] = new ConvTranspose2d(
                Parameters, $"decoder.{i}", channels[level - 1], isLast ? imageChannels : channels[level - 2], ImageStack.Kernel, ImageStack.Kernel, ImageStack.Stride, default,
                ImageStack.OutputPadding(sides[level], sides[level - 1]), isLast ? Activation.Sigmoid : Activation.Identity, stream, hasBias: isLast);
            if (!isLast)
                _norms[i] = new BatchNorm(Parameters, $"decoder.{i}.norm", channels[level - 2]);
        }
        _scaleHidden = new Mlp(Parameters, "scale", latentSize, scaleHidden, Activation.Elu, stream);
        _logScale = new Linear(Parameters, "scale.output", _scaleHidden.Outputs, imageChannels, Activation.Identity, stream);
        Name = $"{latentSize}-{string.Join('-', channels.Reverse())}-{imageChannels} channels of {string.Join('-', sides.Reverse())} pixels a side, log-scales {string.Join('-', [latentSize, .. scaleHidden, imageChannels])} within ±{logScaleBound}, Elu DiscretizedLogistic";
    }

    /// <summary>The choice of such a decoder, for the specification of an experiment; the side of the images follows from the data.</summary>
    /// <param name="latentSize">The size n of z.</param>
    /// <param name="channels">Channels of the images between, from the largest to the smallest.</param>
    /// <param name="scaleHidden">The hidden layers of the network of the log-scales.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <param name="logScaleBound">c, the bound of the log-scales.</param>
    /// <exception cref="ShapeException">When it is built for data that are no square images.</exception>
    public static Component<ModelContext, GenerativeModel> Choice(
        int latentSize, IReadOnlyList<int> channels, IReadOnlyList<int> scaleHidden, int imageChannels = 3, double logScaleBound = 7) => new(
        "convolutional", revision: 1, new { latentSize, channels, scaleHidden, imageChannels, logScaleBound },
        context => new ConvolutionalModel(
            context.Device, latentSize, channels, scaleHidden, ImageStack.SideOf("ConvolutionalModel", context.DataSize, imageChannels), imageChannels, context.Stream, logScaleBound));

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
        Tensor images = _start.Forward(Parameters, z[0]).Reshape(rows.Count, _smallestSide, _smallestSide, _deepest);
        for (int i = 0; i < _up.Length; i++)
        {
            images = _up[i].Forward(Parameters, images);
            if (i < _norms.Length)
                images = _norms[i].Forward(Parameters, images, IsTraining).Elu();
        }
        int dataSize = _side * _side * _imageChannels;
        Tensor logScale = (_logScale.Forward(Parameters, _scaleHidden.Forward(Parameters, z[0])) / _logScaleBound).Tanh() * _logScaleBound;
        return new DiscretizedLogistic(images.Reshape(rows[0], rows[1], dataSize), DiscretizedLogistic.OverPixels(logScale, dataSize));
    }
}
