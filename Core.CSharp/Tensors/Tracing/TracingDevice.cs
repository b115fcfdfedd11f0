namespace GapLab.Tensors.Tracing;

/// <summary>
/// Another device, with its kernels noted in the trace that is being recorded. It computes nothing itself, so every result has the bits of the other device; tensors on the two
/// are on different devices all the same, so a run uses one of them throughout.
/// </summary>
/// <param name="device">The device that computes.</param>
public sealed class TracingDevice(Device device) : Device
{
    /// <summary>The name of the other device: results are the same, and so is their provenance.</summary>
    public override string Name => device.Name;

    /// <inheritdoc/>
    public override ElementType Real => device.Real;

    /// <summary>The name with "traced", for messages that tell the two devices apart.</summary>
    public override string ToString() => $"{device}, traced";

    /// <inheritdoc/>
    protected override nint AllocateCore(long bytes) => device.Allocate(bytes);

    /// <inheritdoc/>
    protected override void FreeCore(nint address, long bytes) => device.Free(address, bytes);

    /// <inheritdoc/>
    public override void Read(Storage source, Span<double> destination)
    {
        long start = Trace.KernelStart();
        device.Read(source, destination);
        Trace.KernelEnd(TracedKernel.Read, start, source.Length);
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<double> source, Storage destination)
    {
        long start = Trace.KernelStart();
        device.Write(source, destination);
        Trace.KernelEnd(TracedKernel.Write, start, destination.Length);
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<float> source, Storage destination)
    {
        long start = Trace.KernelStart();
        device.Write(source, destination);
        Trace.KernelEnd(TracedKernel.Write, start, destination.Length);
    }

    /// <inheritdoc/>
    public override void Fill(Storage y, double value)
    {
        long start = Trace.KernelStart();
        device.Fill(y, value);
        Trace.KernelEnd(TracedKernel.Fill, start, y.Length);
    }

    /// <inheritdoc/>
    public override void Copy(Storage x, Storage y)
    {
        long start = Trace.KernelStart();
        device.Copy(x, y);
        Trace.KernelEnd(TracedKernel.Copy, start, y.Length);
    }

    /// <inheritdoc/>
    public override void CopyColumns(Storage x, int xColumns, int xFirst, Storage y, int yColumns, int yFirst, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.CopyColumns(x, xColumns, xFirst, y, yColumns, yFirst, rows, columns);
        Trace.KernelEnd(TracedKernel.CopyColumns, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void Broadcast(Storage x, Shape xShape, Storage y, Shape yShape)
    {
        long start = Trace.KernelStart();
        device.Broadcast(x, xShape, y, yShape);
        Trace.KernelEnd(TracedKernel.Broadcast, start, y.Length);
    }

    /// <inheritdoc/>
    public override void GatherRows(Storage x, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        long start = Trace.KernelStart();
        device.GatherRows(x, indices, columns, y);
        Trace.KernelEnd(TracedKernel.GatherRows, start, indices.Length, columns);
    }

    /// <inheritdoc/>
    public override void ScatterRows(Storage g, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        long start = Trace.KernelStart();
        device.ScatterRows(g, indices, columns, y);
        Trace.KernelEnd(TracedKernel.ScatterRows, start, indices.Length, columns);
    }

    /// <inheritdoc/>
    public override void Unary(UnaryFunction f, Storage x, Storage y)
    {
        long start = Trace.KernelStart();
        device.Unary(f, x, y);
        Trace.KernelEnd(TracedKernel.Of(f), start, y.Length);
    }

    /// <inheritdoc/>
    public override void Affine(Storage x, double scale, double shift, Storage y)
    {
        long start = Trace.KernelStart();
        device.Affine(x, scale, shift, y);
        Trace.KernelEnd(TracedKernel.Affine, start, y.Length);
    }

    /// <inheritdoc/>
    public override void Binary(BinaryFunction f, Storage x, Shape xShape, Storage y, Shape yShape, Storage z, Shape zShape)
    {
        long start = Trace.KernelStart();
        device.Binary(f, x, xShape, y, yShape, z, zShape);
        Trace.KernelEnd(TracedKernel.Of(f), start, z.Length);
    }

    /// <inheritdoc/>
    public override void SelectRows(Storage mask, Storage a, Storage b, Storage y, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.SelectRows(mask, a, b, y, rows, columns);
        Trace.KernelEnd(TracedKernel.SelectRows, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void Reduce(Reduction reduction, Storage x, int outer, int reduced, int inner, Storage y)
    {
        long start = Trace.KernelStart();
        device.Reduce(reduction, x, outer, reduced, inner, y);
        Trace.KernelEnd(TracedKernel.Of(reduction), start, outer, reduced, inner);
    }

    /// <inheritdoc/>
    public override void MatrixProduct(Storage a, bool transposeA, Storage b, bool transposeB, PackedWeight? packed, Storage c, int m, int n, int k)
    {
        long start = Trace.KernelStart();
        device.MatrixProduct(a, transposeA, b, transposeB, packed, c, m, n, k);
        Trace.KernelEnd(TracedKernel.MatrixProduct, start, m, n, k);
    }

    /// <inheritdoc/>
    public override PackedWeight? Pack(Storage matrix, int rows, int columns)
    {
        long start = Trace.KernelStart();
        PackedWeight? packed = device.Pack(matrix, rows, columns);
        Trace.KernelEnd(TracedKernel.Pack, start, rows, columns);
        return packed;
    }

    /// <inheritdoc/>
    public override void Repack(PackedWeight packed, Storage matrix)
    {
        long start = Trace.KernelStart();
        device.Repack(packed, matrix);
        Trace.KernelEnd(TracedKernel.Pack, start, 1, matrix.Length);
    }

    /// <inheritdoc/>
    public override void Linear(Storage x, Storage weight, PackedWeight? packed, Storage bias, Activation activation, Storage y, int m, int n, int k)
    {
        long start = Trace.KernelStart();
        device.Linear(x, weight, packed, bias, activation, y, m, n, k);
        Trace.KernelEnd(TracedKernel.Linear, start, m, n, k);
    }

    /// <inheritdoc/>
    public override void Convolution(Storage x, Storage weight, Storage bias, Activation activation, Storage y, in ConvolutionSize size)
    {
        long start = Trace.KernelStart();
        device.Convolution(x, weight, bias, activation, y, size);
        Trace.KernelEnd(TracedKernel.Convolution, start, size.Pixels, size.OutChannels, size.Depth);
    }

    /// <inheritdoc/>
    public override void TransposedConvolution(Storage y, Storage weight, Storage bias, Activation activation, Storage x, in ConvolutionSize size)
    {
        long start = Trace.KernelStart();
        device.TransposedConvolution(y, weight, bias, activation, x, size);
        Trace.KernelEnd(TracedKernel.TransposedConvolution, start, size.Pixels, size.OutChannels, size.Depth);
    }

    /// <inheritdoc/>
    public override void ConvolutionWeightAdjoint(Storage x, Storage g, Storage dWeight, in ConvolutionSize size)
    {
        long start = Trace.KernelStart();
        device.ConvolutionWeightAdjoint(x, g, dWeight, size);
        Trace.KernelEnd(TracedKernel.ConvolutionWeightAdjoint, start, size.Pixels, size.OutChannels, size.Depth);
    }

    /// <inheritdoc/>
    public override void Gate(Storage x, Storage y, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.Gate(x, y, rows, size);
        Trace.KernelEnd(TracedKernel.Gate, start, rows, size);
    }

    /// <inheritdoc/>
    public override void GateAdjoint(Storage x, Storage g, Storage d, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.GateAdjoint(x, g, d, rows, size);
        Trace.KernelEnd(TracedKernel.GateAdjoint, start, rows, size);
    }

    /// <inheritdoc/>
    public override void GateSecondAdjoint(Storage x, Storage g, Storage h, Storage dX, Storage dG, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.GateSecondAdjoint(x, g, h, dX, dG, rows, size);
        Trace.KernelEnd(TracedKernel.GateSecondAdjoint, start, rows, size);
    }

    /// <inheritdoc/>
    public override void LstmStep(Storage gates, Storage inputs, int repeat, Storage shift, Storage cell, Storage nextCell, Storage hidden, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.LstmStep(gates, inputs, repeat, shift, cell, nextCell, hidden, rows, size);
        Trace.KernelEnd(TracedKernel.LstmStep, start, rows, size);
    }

    /// <inheritdoc/>
    public override void LstmStepAdjoint(Storage gates, Storage cell, Storage nextCell, Storage g, Storage dHidden, Storage dNextCell, Storage dGates, Storage dCell, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.LstmStepAdjoint(gates, cell, nextCell, g, dHidden, dNextCell, dGates, dCell, rows, size);
        Trace.KernelEnd(TracedKernel.LstmStepAdjoint, start, rows, size);
    }

    /// <inheritdoc/>
    public override void LstmStepTangent(Storage gates, Storage cell, Storage nextCell, Storage direction, Storage tGates, Storage tCell, Storage tNextCell, Storage tHidden, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.LstmStepTangent(gates, cell, nextCell, direction, tGates, tCell, tNextCell, tHidden, rows, size);
        Trace.KernelEnd(TracedKernel.LstmStepTangent, start, rows, size);
    }

    /// <inheritdoc/>
    public override void LstmStepAdjointTangent(
        Storage gates, Storage cell, Storage nextCell, Storage dHidden, Storage dNextCell, Storage tGates, Storage tCell, Storage tNextCell, Storage tdHidden, Storage tdNextCell, Storage tdGates, Storage tdCell,
        int rows, int size)
    {
        long start = Trace.KernelStart();
        device.LstmStepAdjointTangent(gates, cell, nextCell, dHidden, dNextCell, tGates, tCell, tNextCell, tdHidden, tdNextCell, tdGates, tdCell, rows, size);
        Trace.KernelEnd(TracedKernel.LstmStepAdjointTangent, start, rows, size);
    }

    /// <inheritdoc/>
    public override void ActivationAdjoint(Activation activation, Storage y, Storage g, Storage d)
    {
        long start = Trace.KernelStart();
        device.ActivationAdjoint(activation, y, g, d);
        Trace.KernelEnd(TracedKernel.AdjointOf(activation), start, d.Length);
    }

    /// <inheritdoc/>
    public override void BernoulliLogLikelihood(Storage logits, Storage x, int repeat, Storage l, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.BernoulliLogLikelihood(logits, x, repeat, l, rows, columns);
        Trace.KernelEnd(TracedKernel.BernoulliLogLikelihood, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void BernoulliLogLikelihoodAdjoint(Storage logits, Storage x, int repeat, Storage g, Storage d, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.BernoulliLogLikelihoodAdjoint(logits, x, repeat, g, d, rows, columns);
        Trace.KernelEnd(TracedKernel.BernoulliLogLikelihoodAdjoint, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void LinearBernoulliLogLikelihood(
        Storage h, Storage weight, PackedWeight? packed, Storage bias, Storage x, int repeat, Storage l, Storage work, LikelihoodParts parts, int rows, int columns, int k)
    {
        long start = Trace.KernelStart();
        device.LinearBernoulliLogLikelihood(h, weight, packed, bias, x, repeat, l, work, parts, rows, columns, k);
        Trace.KernelEnd(TracedKernel.LinearBernoulliLogLikelihood, start, rows, columns, k);
    }

    /// <inheritdoc/>
    public override void CategoricalLogLikelihood(Storage logits, ReadOnlySpan<int> ids, Storage l, bool residuals, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.CategoricalLogLikelihood(logits, ids, l, residuals, rows, columns);
        Trace.KernelEnd(TracedKernel.CategoricalLogLikelihood, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void CategoricalResidualAdjoint(Storage residuals, ReadOnlySpan<int> ids, Storage g, Storage d, int rows, int columns)
    {
        long start = Trace.KernelStart();
        device.CategoricalResidualAdjoint(residuals, ids, g, d, rows, columns);
        Trace.KernelEnd(TracedKernel.CategoricalResidualAdjoint, start, rows, columns);
    }

    /// <inheritdoc/>
    public override void GaussianSample(Storage mean, Storage logVariance, Storage epsilon, Storage z, int rows, int samples, int size)
    {
        long start = Trace.KernelStart();
        device.GaussianSample(mean, logVariance, epsilon, z, rows, samples, size);
        Trace.KernelEnd(TracedKernel.GaussianSample, start, rows, samples, size);
    }

    /// <inheritdoc/>
    public override void GaussianSampleAdjoint(Storage logVariance, Storage epsilon, Storage g, Storage dMean, Storage dLogVariance, int rows, int samples, int size)
    {
        long start = Trace.KernelStart();
        device.GaussianSampleAdjoint(logVariance, epsilon, g, dMean, dLogVariance, rows, samples, size);
        Trace.KernelEnd(TracedKernel.GaussianSampleAdjoint, start, rows, samples, size);
    }

    /// <inheritdoc/>
    public override void StandardGaussianTerms(Storage mean, Storage logVariance, double p, double h, Storage y, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.StandardGaussianTerms(mean, logVariance, p, h, y, rows, size);
        Trace.KernelEnd(TracedKernel.StandardGaussianTerms, start, rows, size);
    }

    /// <inheritdoc/>
    public override void StandardGaussianTermsAdjoint(Storage mean, Storage logVariance, double p, double h, Storage g, Storage dMean, Storage dLogVariance, int rows, int size)
    {
        long start = Trace.KernelStart();
        device.StandardGaussianTermsAdjoint(mean, logVariance, p, h, g, dMean, dLogVariance, rows, size);
        Trace.KernelEnd(TracedKernel.StandardGaussianTermsAdjoint, start, rows, size);
    }

    /// <inheritdoc/>
    public override void FillNormal(RandomStream stream, ReadOnlySpan<int> datapoints, int step, int lane, long offset, int rowLength, Storage y)
    {
        long start = Trace.KernelStart();
        device.FillNormal(stream, datapoints, step, lane, offset, rowLength, y);
        Trace.KernelEnd(TracedKernel.FillNormal, start, datapoints.Length, rowLength);
    }

    /// <inheritdoc/>
    public override void Adam(in AdamStep step, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1)
    {
        long start = Trace.KernelStart();
        device.Adam(step, parameters, gradientScale);
        Trace.KernelEnd(TracedKernel.Adam, start, Count(parameters));
    }

    /// <inheritdoc/>
    public override void AddScaled(double scale, ReadOnlySpan<ParameterUpdate> pairs)
    {
        long start = Trace.KernelStart();
        device.AddScaled(scale, pairs);
        Trace.KernelEnd(TracedKernel.AddScaled, start, Count(pairs));
    }

    /// <inheritdoc/>
    public override void Momentum(double rate, double momentum, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1)
    {
        long start = Trace.KernelStart();
        device.Momentum(rate, momentum, parameters, gradientScale);
        Trace.KernelEnd(TracedKernel.Momentum, start, Count(parameters));
    }

    private static int Count(ReadOnlySpan<ParameterUpdate> parameters)
    {
        int count = 0;
        foreach (ParameterUpdate parameter in parameters)
            count += parameter.Parameter.Length;
        return count;
    }
}
