namespace GapLab.Tensors;

/// <summary>
/// The primitive operations on flat storage from which everything else is built. The set is small so that another device can be
/// added without touching anything else. A device does not check shapes (tensors do) and every result is a function of the
/// operands alone: never of the number of threads, the position of a row in its batch, or what else is in the batch.
/// </summary>
public abstract class Device
{
    private long _allocatedBytes;
    private long _peakBytes;

    /// <summary>A short name for messages and provenance.</summary>
    public abstract string Name { get; }

    /// <summary>The element type of parameters, activations and gradients. Log-densities are float64 on every device.</summary>
    public abstract ElementType Real { get; }

    /// <summary>The bytes of tensor memory held now: in use, or kept by memory scopes for reuse.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocatedBytes);

    /// <summary>The most bytes held since the start or the last <see cref="ResetPeak"/>.</summary>
    public long PeakBytes => Interlocked.Read(ref _peakBytes);

    /// <summary>Starts a new measurement of <see cref="PeakBytes"/>.</summary>
    public void ResetPeak() => Interlocked.Exchange(ref _peakBytes, AllocatedBytes);

    /// <summary>Memory for tensors, aligned to 64 bytes, contents undefined.</summary>
    internal nint Allocate(long bytes)
    {
        nint address = AllocateCore(bytes);
        long held = Interlocked.Add(ref _allocatedBytes, bytes);
        long peak;
        while (held > (peak = Interlocked.Read(ref _peakBytes)))
            Interlocked.CompareExchange(ref _peakBytes, held, peak);
        return address;
    }

    /// <summary>Returns memory that <see cref="Allocate"/> gave.</summary>
    internal void Free(nint address, long bytes)
    {
        FreeCore(address, bytes);
        Interlocked.Add(ref _allocatedBytes, -bytes);
    }

    /// <summary>Device memory of at least this many bytes, aligned to 64.</summary>
    protected abstract nint AllocateCore(long bytes);

    /// <summary>Frees what <see cref="AllocateCore"/> returned for this many bytes.</summary>
    protected abstract void FreeCore(nint address, long bytes);

    // ---- between host and device ----------------------------------------------------------------------------------------

    /// <summary>Copies a storage to the host.</summary>
    public abstract void Read(Storage source, Span<double> destination);

    /// <summary>Copies host numbers to a storage, rounding to its element type.</summary>
    public abstract void Write(ReadOnlySpan<double> source, Storage destination);

    /// <summary>Copies host numbers to a storage.</summary>
    public abstract void Write(ReadOnlySpan<float> source, Storage destination);

    // ---- moving -----------------------------------------------------------------------------------------------------------

    /// <summary>y_i = value.</summary>
    public abstract void Fill(Storage y, double value);

    /// <summary>y_i = x_i, converting the element type where they differ.</summary>
    public abstract void Copy(Storage x, Storage y);

    /// <summary>y[...] = x[...], with x repeated along the axes where its size is 1 or missing; equal element types.</summary>
    public abstract void Broadcast(Storage x, Shape xShape, Storage y, Shape yShape);

    /// <summary>y[i, yFirst + j] = x[i, xFirst + j] for j below <paramref name="columns"/>: a block of columns of one matrix into another; equal element types.</summary>
    public abstract void CopyColumns(Storage x, int xColumns, int xFirst, Storage y, int yColumns, int yFirst, int rows, int columns);

    /// <summary>y[i, :] = x[index_i, :].</summary>
    public abstract void GatherRows(Storage x, ReadOnlySpan<int> indices, int columns, Storage y);

    /// <summary>y[v, :] = Σ g[i, :] over the i with index_i = v, in ascending order: the adjoint of <see cref="GatherRows"/>. Rows of y that no index names become 0.</summary>
    public abstract void ScatterRows(Storage g, ReadOnlySpan<int> indices, int columns, Storage y);

    // ---- elementwise ------------------------------------------------------------------------------------------------------

    /// <summary>y_i = f(x_i); equal element types.</summary>
    public abstract void Unary(UnaryFunction f, Storage x, Storage y);

    /// <summary>y_i = scale · x_i + shift.</summary>
    public abstract void Affine(Storage x, double scale, double shift, Storage y);

    /// <summary>z = f(x, y) with broadcasting to the shape of z; equal element types.</summary>
    public abstract void Binary(BinaryFunction f, Storage x, Shape xShape, Storage y, Shape yShape, Storage z, Shape zShape);

    /// <summary>y[r, :] = a[r, :] where mask[r] is not 0, else b[r, :].</summary>
    public abstract void SelectRows(Storage mask, Storage a, Storage b, Storage y, int rows, int columns);

    // ---- reductions and products --------------------------------------------------------------------------------------------

    /// <summary>y[o, i] = the reduction over r of x[o, r, i]; y may be float64 where x is float32.</summary>
    public abstract void Reduce(Reduction reduction, Storage x, int outer, int reduced, int inner, Storage y);

    /// <summary>
    /// C[m, n] = op(A)[m, k] · op(B)[k, n], row-major; A is stored [k, m] when <paramref name="transposeA"/>, B is stored [n, k] when <paramref name="transposeB"/>.
    /// Each output is one chain of fused multiply-adds over k in order. <paramref name="packed"/> is a packed copy of B, if there is one.
    /// </summary>
    public abstract void MatrixProduct(Storage a, bool transposeA, Storage b, bool transposeB, PackedWeight? packed, Storage c, int m, int n, int k);

    /// <summary>A copy of a matrix [rows, columns] that makes products with it faster; null where a device has no use for one.</summary>
    public virtual PackedWeight? Pack(Storage matrix, int rows, int columns) => null;

    /// <summary>Makes a packed copy one of other numbers, of the same sizes, in its own memory. No product may be using it.</summary>
    public virtual void Repack(PackedWeight packed, Storage matrix) => throw new NotSupportedException($"{Name} has no packed copies.");

    // ---- fused: each equals a composition of the above, faster ------------------------------------------------------------------

    /// <summary>Y[m, n] = activation(X[m, k] · W[n, k]ᵀ + bias[n]).</summary>
    public abstract void Linear(Storage x, Storage weight, PackedWeight? packed, Storage bias, Activation activation, Storage y, int m, int n, int k);

    /// <summary>
    /// Y = activation(X * W + bias): the convolution that <see cref="ConvolutionSize"/> defines. A bias of length 0 adds nothing. In this and the next two, products with the zeros outside
    /// an image may be left out or not, which makes a difference for infinite and undefined kernels and adjoints only.
    /// </summary>
    public abstract void Convolution(Storage x, Storage weight, Storage bias, Activation activation, Storage y, in ConvolutionSize size);

    /// <summary>
    /// X = activation(Wᵀ * Y + bias): the transposed of the convolution of this size, from its output to its input,
    /// x[b, r, s, c] = Σ y[b, i, j, o] w[o, u, v, c] over i · Stride + u - Top = r and j · Stride + v - Left = s. A bias of length 0 adds nothing.
    /// </summary>
    public abstract void TransposedConvolution(Storage y, Storage weight, Storage bias, Activation activation, Storage x, in ConvolutionSize size);

    /// <summary>W̄[o, u, v, c] = Σ_{b, i, j} g[b, i, j, o] x[b, i · Stride + u - Top, j · Stride + v - Left, c]: the adjoint of a convolution with respect to its kernels.</summary>
    public abstract void ConvolutionWeightAdjoint(Storage x, Storage g, Storage dWeight, in ConvolutionSize size);

    /// <summary>y[r, j] = tanh(x[r, j]) σ(x[r, size + j]): the gated activation of two halves.</summary>
    public abstract void Gate(Storage x, Storage y, int rows, int size);

    /// <summary>d[r, j] = g σ(b) (1 - tanh² a) and d[r, size + j] = g tanh(a) σ(b) (1 - σ(b)) with g = g[r, j], a = x[r, j], b = x[r, size + j].</summary>
    public abstract void GateAdjoint(Storage x, Storage g, Storage d, int rows, int size);

    /// <summary>
    /// The adjoints of <see cref="GateAdjoint"/> for the adjoint h[rows, 2 size] of d: with t = tanh(x[r, j]), s = σ(x[r, size + j]), u = 1 - t², and h₁, h₂ the halves of h,
    /// dX[r, j] = g u s ((1 - s) h₂ - 2 t h₁), dX[r, size + j] = g s (1 - s) (u h₁ + t (1 - 2 s) h₂) and dG[r, j] = s u h₁ + t s (1 - s) h₂.
    /// </summary>
    public abstract void GateSecondAdjoint(Storage x, Storage g, Storage h, Storage dX, Storage dG, int rows, int size);

    /// <summary>
    /// One step of a long short-term memory. The gates[rows, 4 size] enter as a part of the pre-activations a[r] = gates[r] + inputs[r / repeat] + shift[r] (what has length 0 adds nothing) and leave as
    /// [i, f, g, o] = [σ, σ, tanh, σ](a); c' = f c + i g and h' = o tanh(c'), all [rows, size].
    /// </summary>
    public abstract void LstmStep(Storage gates, Storage inputs, int repeat, Storage shift, Storage cell, Storage nextCell, Storage hidden, int rows, int size);

    /// <summary>
    /// The adjoint of <see cref="LstmStep"/>. The adjoints of h' and c' enter as what later steps give and leave complete: dh += g (nothing if it has length 0), dc' += dh o (1 - τ²) with τ = tanh(c').
    /// Then ā = [dc' g i (1 - i), dc' c f (1 - f), dc' i (1 - g²), dh τ o (1 - o)] and dc = dc' f.
    /// </summary>
    public abstract void LstmStepAdjoint(Storage gates, Storage cell, Storage nextCell, Storage g, Storage dHidden, Storage dNextCell, Storage dGates, Storage dCell, int rows, int size);

    /// <summary>
    /// The derivatives of c' and h' of <see cref="LstmStep"/> along a direction of a and c: tGates += direction is that of a, tCell that of c;
    /// tNextCell = tCell f + c ḟ + i' g + i ġ with the derivatives of the gates, and tHidden = ȯ τ + o (1 - τ²) tNextCell.
    /// </summary>
    public abstract void LstmStepTangent(Storage gates, Storage cell, Storage nextCell, Storage direction, Storage tGates, Storage tCell, Storage tNextCell, Storage tHidden, int rows, int size);

    /// <summary>
    /// The derivatives of ā and dc of <see cref="LstmStepAdjoint"/> along the direction of <see cref="LstmStepTangent"/>, where dh moves along tdHidden and what later steps give to dc' along tdNextCell.
    /// dHidden and dNextCell are complete.
    /// </summary>
    public abstract void LstmStepAdjointTangent(
        Storage gates, Storage cell, Storage nextCell, Storage dHidden, Storage dNextCell, Storage tGates, Storage tCell, Storage tNextCell, Storage tdHidden, Storage tdNextCell, Storage tdGates, Storage tdCell,
        int rows, int size);

    /// <summary>d_i = g_i · activation'(x_i), from the output y_i = activation(x_i) alone.</summary>
    public abstract void ActivationAdjoint(Activation activation, Storage y, Storage g, Storage d);

    /// <summary>
    /// ℓ[r] = Σ_c x[r / repeat, c] a[r, c] - softplus(a[r, c]): the Bernoulli log-likelihood of logits a[rows, columns] in nats;
    /// x has rows / repeat rows. ℓ is float64.
    /// </summary>
    public abstract void BernoulliLogLikelihood(Storage logits, Storage x, int repeat, Storage l, int rows, int columns);

    /// <summary>d[r, c] = g[r] (x[r / repeat, c] - sigmoid(a[r, c])); g is float64.</summary>
    public abstract void BernoulliLogLikelihoodAdjoint(Storage logits, Storage x, int repeat, Storage g, Storage d, int rows, int columns);

    /// <summary>
    /// The last layer of a Bernoulli decoder and its log-likelihood in one pass: a = H[rows, k] · W[columns, k]ᵀ + b, ℓ[r] = Σ_c x[r / repeat, c] a[r, c] - softplus(a[r, c]).
    /// The work space [rows, columns] ends as the residuals x - sigmoid(a) when the gradient is asked for, else undefined. ℓ is float64, and NaN when
    /// only the gradient is asked for.
    /// </summary>
    public abstract void LinearBernoulliLogLikelihood(
        Storage h, Storage weight, PackedWeight? packed, Storage bias, Storage x, int repeat, Storage l, Storage work, LikelihoodParts parts, int rows, int columns, int k);

    /// <summary>
    /// ℓ[r] = a[r, id_r] - log Σ_v e^a[r, v]: the log-probabilities in nats of words given by logits a[rows, columns]; ℓ is float64. When residuals are asked for they take the place of the logits:
    /// 1 - p at id_r and -p elsewhere, with p the softmax of the row.
    /// </summary>
    public abstract void CategoricalLogLikelihood(Storage logits, ReadOnlySpan<int> ids, Storage l, bool residuals, int rows, int columns);

    /// <summary>d[r, v] = -p (g[r, v] - Σ_u p_u g[r, u]) with the probabilities p of residuals as <see cref="CategoricalLogLikelihood"/> leaves them: their adjoint with respect to the logits. d may be g.</summary>
    public abstract void CategoricalResidualAdjoint(Storage residuals, ReadOnlySpan<int> ids, Storage g, Storage d, int rows, int columns);

    /// <summary>z[b, s, j] = μ[b, j] + exp(½ v[b, j]) ε[b, s, j]: samples of B diagonal Gaussians given by μ and v = log σ².</summary>
    public abstract void GaussianSample(Storage mean, Storage logVariance, Storage epsilon, Storage z, int rows, int samples, int size);

    /// <summary>μ̄[b, j] = Σ_s g[b, s, j] and v̄[b, j] = ½ exp(½ v[b, j]) Σ_s g[b, s, j] ε[b, s, j], summed in float64.</summary>
    public abstract void GaussianSampleAdjoint(Storage logVariance, Storage epsilon, Storage g, Storage dMean, Storage dLogVariance, int rows, int samples, int size);

    /// <summary>
    /// y[b] = p · E[log N(z; 0, I)] + h · H for z ~ N(μ, e^v): -p/2 Σ_j (log 2π + e^v + μ²) + h/2 Σ_j (1 + log 2π + v); with p = h = 1, minus the KL divergence
    /// to N(0, I). y is float64.
    /// </summary>
    public abstract void StandardGaussianTerms(Storage mean, Storage logVariance, double p, double h, Storage y, int rows, int size);

    /// <summary>μ̄ = -p g μ and v̄ = ½ g (h - p e^v); g is float64, one number a row.</summary>
    public abstract void StandardGaussianTermsAdjoint(Storage mean, Storage logVariance, double p, double h, Storage g, Storage dMean, Storage dLogVariance, int rows, int size);

    // ---- random numbers and optimisation ------------------------------------------------------------------------------------------

    /// <summary>Row r of y[datapoints, rowLength] becomes standard normals offset, offset + 1, ... of the stream at datapoint r.</summary>
    public abstract void FillNormal(RandomStream stream, ReadOnlySpan<int> datapoints, int step, int lane, long offset, int rowLength, Storage y);

    /// <summary>One Adam update of all parameters and their moments, in place, with gradients that are first multiplied by a factor.</summary>
    public abstract void Adam(in AdamStep step, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1);

    /// <summary>The sums p ← p + scale · g of all pairs, in place; rounded after each of the two operations.</summary>
    public abstract void AddScaled(double scale, ReadOnlySpan<ParameterUpdate> pairs);

    /// <summary>One gradient step with momentum of all parameters, in place: m ← momentum · m + scale · g, p ← p + rate · m. Where the momentum is 0, there need not be an m.</summary>
    public abstract void Momentum(double rate, double momentum, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
