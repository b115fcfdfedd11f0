using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference for square images by a residual network (Kim et al. 2018, section 4.3): residual blocks, each followed by a convolution with kernels of 2 x 2 pixels that halves the sides, then one
/// linear map for each block of the family's λ. For 28 x 28 pixels and three blocks the images have the sides 28, 14, 7, 3.
/// </summary>
public sealed class ResNetEncoder : InferenceMethod
{
    /// <summary>Pixels of images that are encoded at once where no gradient is taken.</summary>
    private const int PixelsAtOnce = 50_000;

    private readonly int _side;
    private readonly int _imageChannels;
    private readonly ResidualBlock[] _blocks;
    private readonly Conv2d[] _down;
    private readonly Linear[] _heads;

    /// <summary>An encoder with freshly initialised weights: those of linear maps <see cref="LinearInitialization.HeNormal"/>, as published.</summary>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="channels">Channels of each residual block.</param>
    /// <param name="side">Rows and columns of the images.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">The images are too small for so many blocks.</exception>
    public ResNetEncoder(VariationalFamily family, Device device, IReadOnlyList<int> channels, int side, int imageChannels, RandomStream stream)
        : base(new ParameterSet(device))
    {
        _side = side;
        _imageChannels = imageChannels;
        _blocks = new ResidualBlock[channels.Count];
        _down = new Conv2d[channels.Count];
        List<int> sides = [side];
        int inputs = imageChannels;
        for (int i = 0; i < channels.Count; i++)
        {
            if (sides[^1] < 2)
                throw new ShapeException($"ResNetEncoder: images of {side}x{side} pixels are too small to be halved {channels.Count} times; use fewer blocks, or larger images.");
            _blocks[i] = new ResidualBlock(Parameters, $"encoder.{i}", inputs, channels[i], stream);
            _down[i] = new Conv2d(Parameters, $"encoder.{i}.down", channels[i], channels[i], 2, 2, 2, 0, Activation.Identity, stream);
            inputs = channels[i];
            sides.Add(sides[^1] / 2);
        }
        int features = sides[^1] * sides[^1] * inputs;
        _heads = [.. family.LocalBlocks.Select(block =>
            new Linear(Parameters, $"encoder.{block.Name}", features, block.Size, Activation.Identity, stream, LinearInitialization.HeNormal))];
        Name = $"residual blocks of {string.Join('-', [imageChannels, .. channels])} channels of {string.Join('-', sides)} pixels a side, {string.Join('+', family.LocalBlocks.Select(block => block.Size))} Relu";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment; the side of the images follows from the data.</summary>
    /// <param name="channels">Channels of each residual block; null for those of the paper, three times 64.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <exception cref="ShapeException">When it is built for data that are no square images.</exception>
    public static Component<InferenceContext, InferenceMethod> Choice(IReadOnlyList<int>? channels = null, int imageChannels = 1)
    {
        channels ??= [64, 64, 64];
        return new("resnet-encoder", revision: 1, new { channels, imageChannels }, context =>
            new ResNetEncoder(context.Family, context.Model.Device, channels, ImageStack.SideOf("ResNetEncoder", context.DataSize, imageChannels), imageChannels, context.Stream));
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        if (x.Features.Shape[1] != _side * _side * _imageChannels)
            throw new ShapeException($"The encoder reads images of {_side}x{_side} pixels with {_imageChannels} numbers each, not datapoints of {x.Features.Shape[1]} numbers.");
        // In training a datapoint depends on its batch.
        Tensor features = RowPieces.Compute(x.Count, IsTraining ? x.Count : Math.Max(1, PixelsAtOnce / (_side * _side)), (first, count) =>
            Features(count == x.Count ? x.Features : x.Features.GatherRows(RowPieces.Range(first, count))));
        return new InferenceTrace(new LocalParameters([.. _heads.Select(head => head.Forward(Parameters, features))]));
    }

    /// <summary>What the heads read, [B, features].</summary>
    private Tensor Features(Tensor x)
    {
        int count = x.Shape[0];
        Tensor images = x.Reshape(count, _side, _side, _imageChannels);
        for (int i = 0; i < _blocks.Length; i++)
            images = _down[i].Forward(Parameters, _blocks[i].Forward(Parameters, images, IsTraining));
        return images.Reshape(count, images.Count / count);
    }
}
