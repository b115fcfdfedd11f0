using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

// Operations on images, [datapoints, height, width, channels].
public readonly partial struct Tensor
{
    /// <summary>
    /// The convolution of images x [B, H, W, C] with kernels w [O, h, w, C], plus b [O], through an activation: [B, H', W', O] with
    /// H' = ⌊(H + top + bottom - h) / stride⌋ + 1. Pixels outside the image are zeros.
    /// </summary>
    /// <param name="weight">w.</param>
    /// <param name="bias">b; default for none.</param>
    /// <param name="stride">How far the kernel moves from one output to the next.</param>
    /// <param name="padding">Zeros around the images.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <exception cref="ShapeException">The sizes do not fit, or the stride is not positive.</exception>
    public Tensor Conv2d(Tensor weight, Tensor bias = default, int stride = 1, Padding padding = default, Activation activation = Activation.Identity) =>
        ConvolutionOperation.Instance.Apply(this, weight, bias, stride, padding, activation);

    /// <summary>
    /// The transposed convolution of images y [B, H, W, O] with kernels w [O, h, w, C], plus b [C], through an activation: [B, H', W', C] with
    /// H' = (H - 1) stride + h - top - bottom + output padding. It is the adjoint of <see cref="Conv2d"/> with the same kernels, stride and padding.
    /// </summary>
    /// <param name="weight">w.</param>
    /// <param name="bias">b; default for none.</param>
    /// <param name="stride">How far apart the kernel's copies lie in the output.</param>
    /// <param name="padding">Rows and columns that the output loses.</param>
    /// <param name="outputPadding">Rows and columns that the output gains below and on the right, less than the stride: it tells apart the sizes that a convolution rounds to the same.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <exception cref="ShapeException">The sizes do not fit, or stride or output padding are out of range.</exception>
    public Tensor ConvTranspose2d(
        Tensor weight, Tensor bias = default, int stride = 1, Padding padding = default, int outputPadding = 0, Activation activation = Activation.Identity) =>
        TransposedConvolutionOperation.Instance.Apply(this, weight, bias, stride, padding, outputPadding, activation);

    /// <summary>The gated activation tanh(a) σ(b) of the two halves a and b of the innermost axis (van den Oord et al. 2016): [..., n] from [..., 2 n].</summary>
    /// <exception cref="ShapeException">The innermost axis has an odd size.</exception>
    public Tensor Gate() => GateOperation.Instance.Apply(this);
}
