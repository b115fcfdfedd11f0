using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// The layers that the encoder and the decoder of square images have in common: convolutions with kernels of 4 x 4 pixels that move by 2, without padding, each of which about halves an
/// image's sides.
/// </summary>
internal static class ImageStack
{
    /// <summary>Rows and columns of a kernel.</summary>
    public const int Kernel = 4;

    /// <summary>How far a kernel moves.</summary>
    public const int Stride = 2;

    /// <summary>The sides of an image before, between and after the convolutions: 32, 15, 6, 2 for three of them.</summary>
    /// <param name="side">Rows and columns of the images.</param>
    /// <param name="convolutions">How many convolutions there are.</param>
    /// <exception cref="ShapeException">Nothing is left of the images.</exception>
    public static int[] Sides(int side, int convolutions)
    {
        var sides = new int[convolutions + 1];
        sides[0] = side;
        for (int i = 0; i < convolutions; i++)
        {
            if (sides[i] < Kernel)
                throw new ShapeException(
                    $"Images of {side}x{side} pixels are too small for {convolutions} convolutions with {Kernel}x{Kernel} kernels that move by {Stride}: {sides[i]}x{sides[i]} are left after {i} of them; use fewer, or larger images.");
            sides[i + 1] = (sides[i] - Kernel) / Stride + 1;
        }
        return sides;
    }

    /// <summary>The rows and columns that a transposed convolution has to add in order to come from one side to the next larger one, 0 or 1.</summary>
    public static int OutputPadding(int from, int to) => to - ((from - 1) * Stride + Kernel);

    /// <summary>The side of square images.</summary>
    /// <param name="what">Who asks, for the message.</param>
    /// <param name="dataSize">Numbers an image.</param>
    /// <param name="channels">Numbers a pixel.</param>
    /// <exception cref="ShapeException">There is no such side.</exception>
    public static int SideOf(string what, int dataSize, int channels)
    {
        int side = (int)Math.Round(Math.Sqrt(dataSize / (double)channels));
        return side * side * channels == dataSize
            ? side
            : throw new ShapeException($"{what}: datapoints of {dataSize} numbers are no square images with {channels} numbers a pixel; use it for square images.");
    }
}
