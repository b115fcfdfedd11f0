using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Models;
using GapLab.Networks;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Amortized inference for square images, of the paper's Table 9 (Cremer et al. 2018): convolutions with batch normalisation and ELU, then one linear map for each block of the family's λ.
/// For 32 x 32 pixels and 64, 128, 256 channels the images have the sides 32, 15, 6, 2.
/// </summary>
public sealed class ConvolutionalEncoder : InferenceMethod
{
    private readonly int _side;
    private readonly int _imageChannels;
    private readonly Conv2d[] _down;
    private readonly BatchNorm[] _norms;
    private readonly Linear[] _heads;

    /// <summary>An encoder with freshly initialised weights.</summary>
    /// <param name="family">The family whose λ it produces.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="channels">Channels after each convolution.</param>
    /// <param name="side">Rows and columns of the images.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <param name="stream">The source of the initial weights.</param>
    /// <exception cref="ShapeException">The images are too small for so many convolutions.</exception>
    public ConvolutionalEncoder(VariationalFamily family, Device device, IReadOnlyList<int> channels, int side, int imageChannels, RandomStream stream)
        : base(new ParameterSet(device))
    {
        _side = side;
        _imageChannels = imageChannels;
        int[] sides = ImageStack.Sides(side, channels.Count);
        _down = new Conv2d[channels.Count];
        _norms = new BatchNorm[channels.Count];
        int inputs = imageChannels;
        for (int i = 0; i < _down.Length; i++)
        {
            _down[i] = new Conv2d(
                Parameters, $"encoder.{i}", inputs, channels[i], ImageStack.Kernel, ImageStack.Kernel, ImageStack.Stride, default, Activation.Identity, stream, hasBias: false);
            _norms[i] = new BatchNorm(Parameters, $"encoder.{i}.norm", channels[i]);
            inputs = channels[i];
        }
        int features = sides[^1] * sides[^1] * inputs;
        _heads = [.. family.LocalBlocks.Select(block => new Linear(Parameters, $"encoder.{block.Name}", features, block.Size, Activation.Identity, stream))];
        Name = $"{string.Join('-', [imageChannels, .. channels])} channels of {string.Join('-', sides)} pixels a side, {string.Join('+', family.LocalBlocks.Select(block => block.Size))} Elu";
    }

    /// <summary>The choice of such an encoder, for the specification of an experiment; the side of the images follows from the data.</summary>
    /// <param name="channels">Channels after each convolution.</param>
    /// <param name="imageChannels">Numbers a pixel.</param>
    /// <exception cref="ShapeException">When it is built for data that are no square images.</exception>
    public static Component<InferenceContext, InferenceMethod> Choice(IReadOnlyList<int> channels, int imageChannels = 3) => new(
        "convolutional-encoder", revision: 1, new { channels, imageChannels },
        context => new ConvolutionalEncoder(
            context.Family, context.Model.Device, channels, ImageStack.SideOf("ConvolutionalEncoder", context.DataSize, imageChannels), imageChannels, context.Stream));

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override InferenceTrace Infer(GenerativeModel model, VariationalFamily family, Observations x, RandomStream stream, int step)
    {
        if (x.Features.Shape[1] != _side * _side * _imageChannels)
            throw new ShapeException($"The encoder reads images of {_side}x{_side} pixels with {_imageChannels} numbers each, not datapoints of {x.Features.Shape[1]} numbers.");
        Tensor features = x.Features.Reshape(x.Count, _side, _side, _imageChannels);
        for (int i = 0; i < _down.Length; i++)
            features = _norms[i].Forward(Parameters, _down[i].Forward(Parameters, features), IsTraining).Elu();
        features = features.Reshape(x.Count, features.Count / x.Count);
        return new InferenceTrace(new LocalParameters([.. _heads.Select(head => head.Forward(Parameters, features))]));
    }
}
