namespace GapLab.Tensors.Reference;

// Convolutions and gates as their definitions say, one output at a time.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void Convolution(Storage x, Storage weight, Storage bias, Activation activation, Storage y, in ConvolutionSize size)
    {
        int at = 0;
        for (int b = 0; b < size.Batch; b++)
            for (int i = 0; i < size.OutHeight; i++)
                for (int j = 0; j < size.OutWidth; j++)
                    for (int o = 0; o < size.OutChannels; o++)
                    {
                        double sum = bias.Length == 0 ? 0 : bias.Doubles[o];
                        for (int u = 0; u < size.KernelHeight; u++)
                            for (int v = 0; v < size.KernelWidth; v++)
                            {
                                int r = i * size.Stride + u - size.Top, s = j * size.Stride + v - size.Left;
                                if ((uint)r >= (uint)size.Height || (uint)s >= (uint)size.Width)
                                    continue;
                                for (int c = 0; c < size.Channels; c++)
                                    sum += x.Doubles[((b * size.Height + r) * size.Width + s) * size.Channels + c]
                                        * weight.Doubles[((o * size.KernelHeight + u) * size.KernelWidth + v) * size.Channels + c];
                            }
                        y.Doubles[at++] = ScalarFunctions.Evaluate(activation, sum);
                    }
    }

    /// <inheritdoc/>
    public override void TransposedConvolution(Storage y, Storage weight, Storage bias, Activation activation, Storage x, in ConvolutionSize size)
    {
        int at = 0;
        for (int b = 0; b < size.Batch; b++)
            for (int r = 0; r < size.Height; r++)
                for (int s = 0; s < size.Width; s++)
                    for (int c = 0; c < size.Channels; c++)
                    {
                        double sum = bias.Length == 0 ? 0 : bias.Doubles[c];
                        for (int u = 0; u < size.KernelHeight; u++)
                            for (int v = 0; v < size.KernelWidth; v++)
                            {
                                int row = r + size.Top - u, column = s + size.Left - v;
                                if (row % size.Stride != 0 || column % size.Stride != 0)
                                    continue;
                                (int i, int j) = (row / size.Stride, column / size.Stride);
                                if ((uint)i >= (uint)size.OutHeight || (uint)j >= (uint)size.OutWidth)
                                    continue;
                                for (int o = 0; o < size.OutChannels; o++)
                                    sum += y.Doubles[((b * size.OutHeight + i) * size.OutWidth + j) * size.OutChannels + o]
                                        * weight.Doubles[((o * size.KernelHeight + u) * size.KernelWidth + v) * size.Channels + c];
                            }
                        x.Doubles[at++] = ScalarFunctions.Evaluate(activation, sum);
                    }
    }

    /// <inheritdoc/>
    public override void ConvolutionWeightAdjoint(Storage x, Storage g, Storage dWeight, in ConvolutionSize size)
    {
        int at = 0;
        for (int o = 0; o < size.OutChannels; o++)
            for (int u = 0; u < size.KernelHeight; u++)
                for (int v = 0; v < size.KernelWidth; v++)
                    for (int c = 0; c < size.Channels; c++)
                    {
                        double sum = 0;
                        for (int b = 0; b < size.Batch; b++)
                            for (int i = 0; i < size.OutHeight; i++)
                                for (int j = 0; j < size.OutWidth; j++)
                                {
                                    int r = i * size.Stride + u - size.Top, s = j * size.Stride + v - size.Left;
                                    if ((uint)r < (uint)size.Height && (uint)s < (uint)size.Width)
                                        sum += g.Doubles[((b * size.OutHeight + i) * size.OutWidth + j) * size.OutChannels + o]
                                            * x.Doubles[((b * size.Height + r) * size.Width + s) * size.Channels + c];
                                }
                        dWeight.Doubles[at++] = sum;
                    }
    }

    /// <inheritdoc/>
    public override void Gate(Storage x, Storage y, int rows, int size)
    {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
                y.Doubles[r * size + j] = Math.Tanh(x.Doubles[2 * r * size + j]) * ScalarFunctions.Evaluate(UnaryFunction.Sigmoid, x.Doubles[(2 * r + 1) * size + j]);
    }

    /// <inheritdoc/>
    public override void GateAdjoint(Storage x, Storage g, Storage d, int rows, int size)
    {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
            {
                int a = 2 * r * size + j, b = a + size;
                double t = Math.Tanh(x.Doubles[a]), s = ScalarFunctions.Evaluate(UnaryFunction.Sigmoid, x.Doubles[b]), adjoint = g.Doubles[r * size + j];
                d.Doubles[a] = adjoint * s * (1 - t * t);
                d.Doubles[b] = adjoint * t * s * (1 - s);
            }
    }

    /// <inheritdoc/>
    public override void GateSecondAdjoint(Storage x, Storage g, Storage h, Storage dX, Storage dG, int rows, int size)
    {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
            {
                int a = 2 * r * size + j, b = a + size, i = r * size + j;
                double t = Math.Tanh(x.Doubles[a]), s = ScalarFunctions.Evaluate(UnaryFunction.Sigmoid, x.Doubles[b]), u = 1 - t * t;
                dX.Doubles[a] = g.Doubles[i] * u * s * ((1 - s) * h.Doubles[b] - 2 * t * h.Doubles[a]);
                dX.Doubles[b] = g.Doubles[i] * s * (1 - s) * (u * h.Doubles[a] + t * (1 - 2 * s) * h.Doubles[b]);
                dG.Doubles[i] = s * (u * h.Doubles[a] + t * (1 - s) * h.Doubles[b]);
            }
    }
}
