using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

public readonly partial struct Tensor
{
    // ---- elementwise ----------------------------------------------------------------------------------------------------------

    /// <summary>x + y with broadcasting: axes are aligned from the innermost, sizes of 1 repeat.</summary>
    public static Tensor operator +(Tensor x, Tensor y) => BinaryOperation.Instance.Apply(BinaryFunction.Add, x, y);

    /// <summary>x - y with broadcasting.</summary>
    public static Tensor operator -(Tensor x, Tensor y) => BinaryOperation.Instance.Apply(BinaryFunction.Subtract, x, y);

    /// <summary>x · y, elementwise, with broadcasting.</summary>
    public static Tensor operator *(Tensor x, Tensor y) => BinaryOperation.Instance.Apply(BinaryFunction.Multiply, x, y);

    /// <summary>x / y, elementwise, with broadcasting.</summary>
    public static Tensor operator /(Tensor x, Tensor y) => BinaryOperation.Instance.Apply(BinaryFunction.Divide, x, y);

    /// <summary>-x.</summary>
    public static Tensor operator -(Tensor x) => UnaryOperation.Instance.Apply(UnaryFunction.Negate, x);

    /// <summary>x + shift.</summary>
    public static Tensor operator +(Tensor x, double shift) => x.Affine(1, shift);

    /// <summary>shift + x.</summary>
    public static Tensor operator +(double shift, Tensor x) => x.Affine(1, shift);

    /// <summary>x - shift.</summary>
    public static Tensor operator -(Tensor x, double shift) => x.Affine(1, -shift);

    /// <summary>shift - x.</summary>
    public static Tensor operator -(double shift, Tensor x) => x.Affine(-1, shift);

    /// <summary>x · scale.</summary>
    public static Tensor operator *(Tensor x, double scale) => x.Affine(scale, 0);

    /// <summary>scale · x.</summary>
    public static Tensor operator *(double scale, Tensor x) => x.Affine(scale, 0);

    /// <summary>x / divisor.</summary>
    public static Tensor operator /(Tensor x, double divisor) => x.Affine(1 / divisor, 0);

    /// <summary>scale · x + shift.</summary>
    /// <param name="scale">The factor.</param>
    /// <param name="shift">The summand.</param>
    public Tensor Affine(double scale, double shift) => AffineOperation.Instance.Apply(this, scale, shift);

    /// <summary>e^x.</summary>
    public Tensor Exp() => UnaryOperation.Instance.Apply(UnaryFunction.Exp, this);

    /// <summary>The natural logarithm.</summary>
    public Tensor Log() => UnaryOperation.Instance.Apply(UnaryFunction.Log, this);

    /// <summary>The square root.</summary>
    public Tensor Sqrt() => UnaryOperation.Instance.Apply(UnaryFunction.Sqrt, this);

    /// <summary>x².</summary>
    public Tensor Square() => UnaryOperation.Instance.Apply(UnaryFunction.Square, this);

    /// <summary>1 / x.</summary>
    public Tensor Reciprocal() => UnaryOperation.Instance.Apply(UnaryFunction.Reciprocal, this);

    /// <summary>1 / (1 + e^-x).</summary>
    public Tensor Sigmoid() => UnaryOperation.Instance.Apply(UnaryFunction.Sigmoid, this);

    /// <summary>log(1 + e^x).</summary>
    public Tensor Softplus() => UnaryOperation.Instance.Apply(UnaryFunction.Softplus, this);

    /// <summary>The hyperbolic tangent.</summary>
    public Tensor Tanh() => UnaryOperation.Instance.Apply(UnaryFunction.Tanh, this);

    /// <summary>x for x > 0, else e^x - 1.</summary>
    public Tensor Elu() => UnaryOperation.Instance.Apply(UnaryFunction.Elu, this);

    /// <summary>max(x, 0).</summary>
    public Tensor Relu() => UnaryOperation.Instance.Apply(UnaryFunction.Relu, this);

    /// <summary>min(x, 0).</summary>
    public Tensor NegativePart() => UnaryOperation.Instance.Apply(UnaryFunction.NegativePart, this);

    /// <summary>1 where x &lt; 0, else 0; its derivative is 0.</summary>
    public Tensor IsNegative() => UnaryOperation.Instance.Apply(UnaryFunction.IsNegative, this);

    /// <summary>The nearest number that is finite in single precision: x itself unless it is infinite.</summary>
    public Tensor Finite() => UnaryOperation.Instance.Apply(UnaryFunction.Finite, this);

    /// <summary>The nearest number from lower to upper; x itself, to the bit, where it lies between. The derivative is 0 outside.</summary>
    /// <param name="lower">The smallest result.</param>
    /// <param name="upper">The largest result.</param>
    public Tensor Clamp(double lower, double upper)
    {
        Tensor above = (upper - this).IsNegative(), below = (this - lower).IsNegative();
        // Infinity times 0 would be no number.
        return Finite() * (1 - above - below) + (upper * above + lower * below);
    }

    /// <summary>An activation function.</summary>
    /// <param name="activation">Which.</param>
    public Tensor Activate(Activation activation) => activation switch
    {
        Activation.Elu => Elu(),
        Activation.Tanh => Tanh(),
        Activation.Sigmoid => Sigmoid(),
        Activation.Relu => Relu(),
        _ => this,
    };

    /// <summary>For each row (all axes but the innermost), a's row where the mask is not 0 and b's where it is.</summary>
    /// <param name="mask">The shape of a without its innermost axis; no gradient flows to it.</param>
    /// <param name="a">[..., n].</param>
    /// <param name="b">The shape of a.</param>
    public static Tensor SelectRows(Tensor mask, Tensor a, Tensor b) => SelectRowsOperation.Instance.Apply(mask, a, b);

    // ---- shapes and types ---------------------------------------------------------------------------------------------------------

    /// <summary>The same numbers under another shape of equal count; nothing is copied.</summary>
    /// <param name="shape">The new shape.</param>
    /// <exception cref="ShapeException">Another number of elements.</exception>
    public Tensor Reshape(Shape shape) => ReshapeOperation.Instance.Apply(this, shape);

    /// <summary>The same numbers under another shape of equal count; nothing is copied.</summary>
    /// <param name="sizes">The new sizes.</param>
    public Tensor Reshape(params ReadOnlySpan<int> sizes) => Reshape(new Shape(sizes));

    /// <summary>The same numbers under another shape of equal count, for languages without parameter spans.</summary>
    /// <param name="sizes">The new sizes.</param>
    public Tensor Reshape(params int[] sizes) => Reshape(new Shape(sizes));

    /// <summary>
    /// The same numbers as a tensor of its own: a derivative with respect to it counts the uses of this handle only, not those of the original.
    /// </summary>
    public Tensor Alias() => ReshapeOperation.Instance.Alias(this);

    /// <summary>Some neighbouring columns: x[..., first .. first + count].</summary>
    /// <param name="first">The first one.</param>
    /// <param name="count">How many, at least 1.</param>
    /// <exception cref="ShapeException">The innermost axis does not have them.</exception>
    public Tensor Columns(int first, int count) => ColumnsOperation.Instance.Apply(this, first, count);

    /// <summary>[x₀, x₁, ...] along the innermost axis.</summary>
    /// <param name="parts">At least one; equal in all other axes, of one device and element type.</param>
    /// <exception cref="ShapeException">They differ elsewhere, or there are none.</exception>
    public static Tensor Concatenate(params ReadOnlySpan<Tensor> parts)
    {
        if (parts.IsEmpty)
            throw new ShapeException("Concatenate: there is nothing to put together.");
        Tensor sum = parts[0];
        // An operation has a limited number of inputs.
        for (int i = 1; i < parts.Length; i += TapeNode.MaxInputs - 1)
            sum = ConcatenationOperation.Instance.Apply([sum, .. parts[i..Math.Min(parts.Length, i + TapeNode.MaxInputs - 1)]]);
        return sum;
    }

    /// <summary>[x₀, x₁, ...] along the innermost axis, for languages without spans of arguments.</summary>
    /// <param name="parts">At least one; equal in all other axes, of one device and element type.</param>
    /// <exception cref="ShapeException">They differ elsewhere, or there are none.</exception>
    public static Tensor Concatenate(params Tensor[] parts) => Concatenate(parts.AsSpan());

    /// <summary>Repeats axes of size 1, and missing outer axes, to reach a shape.</summary>
    /// <param name="shape">The new shape.</param>
    /// <exception cref="ShapeException">An axis of another size than 1 differs.</exception>
    public Tensor BroadcastTo(Shape shape) => BroadcastOperation.Instance.Apply(this, shape);

    /// <summary>The same numbers in another element type.</summary>
    /// <param name="type">The element type.</param>
    public Tensor To(ElementType type) => CastOperation.Instance.Apply(this, type);

    // ---- reductions -----------------------------------------------------------------------------------------------------------------

    /// <summary>The sum of all elements, a float64 scalar.</summary>
    public Tensor Sum()
    {
        _ = StorageOf("Sum");
        return SumOperation.Instance.Apply(this, 1, Count, 1, Shape.Scalar, ElementType.Float64);
    }

    /// <summary>The sum along one axis, which disappears. Accumulated in float64; stored in the tensor's own type unless another is named.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    /// <param name="type">The element type of the result; log-densities are float64.</param>
    public Tensor Sum(int axis, ElementType? type = null)
    {
        _ = StorageOf("Sum");
        (int outer, int reduced, int inner) = Split(axis);
        return SumOperation.Instance.Apply(this, outer, reduced, inner, Shape.Without(axis), type ?? Type);
    }

    /// <summary>The mean along one axis, which disappears.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    public Tensor Mean(int axis) => Sum(axis) / Shape[axis];

    /// <summary>The mean of all elements, a float64 scalar.</summary>
    public Tensor Mean() => Sum() / Count;

    /// <summary>The sum over the axes along which a tensor of the given shape is repeated to reach this one's: the adjoint of broadcasting.</summary>
    /// <param name="shape">A shape that broadcasts to this tensor's.</param>
    public Tensor SumTo(Shape shape)
    {
        _ = StorageOf("SumTo");
        if (shape == Shape)
            return this;
        Tensor sum = this;
        int missing = Shape.Rank - shape.Rank;
        if (missing > 0)
        {
            int outer = 1;
            for (int i = 0; i < missing; i++)
                outer *= Shape[i];
            var rest = new Shape(Shape.Span[missing..]);
            sum = SumOperation.Instance.Apply(sum, 1, outer, rest.Count, rest, Type);
        }
        for (int axis = 0; axis < shape.Rank; axis++)
            if (shape[axis] == 1 && sum.Shape[axis] != 1)
            {
                (int outer, int reduced, int inner) = sum.Split(axis);
                sum = SumOperation.Instance.Apply(sum, outer, reduced, inner, sum.Shape.With(axis, 1), Type);
            }
        return sum.Shape == shape ? sum : throw new ShapeException($"SumTo: shape {shape} does not broadcast to {Shape}.");
    }

    /// <summary>The largest element along one axis, which disappears; no gradient flows through it.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    public Tensor Max(int axis)
    {
        Storage source = StorageOf("Max");
        (int outer, int reduced, int inner) = Split(axis);
        Tensor result = MemoryScope.Allocate(Device, Shape.Without(axis), Type, out Storage storage);
        Device.Reduce(Reduction.Max, source, outer, reduced, inner, storage);
        GC.KeepAlive(Scope);
        return result;
    }

    /// <summary>log((1/n) Σ e^x) along one axis of n elements, with the maximum taken out so that nothing overflows.</summary>
    /// <param name="axis">The axis, negative from the innermost.</param>
    public Tensor LogMeanExp(int axis)
    {
        Tensor max = Max(axis);
        Tensor shifted = this - max.Reshape(Shape.With(axis, 1));
        return shifted.Exp().Sum(axis).Log() + (max - Math.Log(Shape[axis]));
    }

    // ---- products and layers ----------------------------------------------------------------------------------------------------------

    /// <summary>The matrix product op(A) · op(B) of two matrices.</summary>
    /// <param name="other">B.</param>
    /// <param name="transposeThis">Use Aᵀ.</param>
    /// <param name="transposeOther">Use Bᵀ.</param>
    /// <exception cref="ShapeException">Not two matrices, or the inner sizes differ.</exception>
    public Tensor MatMul(Tensor other, bool transposeThis = false, bool transposeOther = false) =>
        MatrixProductOperation.Instance.Apply(this, transposeThis, other, transposeOther);

    /// <summary>activation(x Wᵀ + b) for x [..., in], W [out, in], b [out]; result [..., out].</summary>
    /// <param name="weight">W.</param>
    /// <param name="bias">b.</param>
    /// <param name="activation">Applied to every output.</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor Linear(Tensor weight, Tensor bias, Activation activation = Activation.Identity) =>
        LinearOperation.Instance.Apply(this, weight, bias, activation);

    /// <summary>
    /// Σ_c x_c a_c - softplus(a_c) along the innermost axis: log p(x) in nats of independent Bernoulli pixels with logits a [B, S, D]
    /// for data x [B, D], which is not copied over S. Result [B, S], float64.
    /// </summary>
    /// <param name="x">The data, in [0, 1].</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor BernoulliLogLikelihood(Tensor x) => BernoulliLogLikelihoodOperation.Instance.Apply(this, x);

    /// <summary>
    /// The Bernoulli log-likelihood of data x [B, D] with logits a = h Wᵀ + b, for h [B, S, k], W [D, k], b [D], in one pass over the logits:
    /// [B, S] in nats, float64. The same as <c>h.Linear(W, b).BernoulliLogLikelihood(x)</c>, faster.
    /// </summary>
    /// <param name="weight">W.</param>
    /// <param name="bias">b.</param>
    /// <param name="x">The data, in [0, 1].</param>
    /// <param name="gradientOnly">Only gradients will be taken: the values are NaN, and no logarithms are computed.</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor LinearBernoulliLogLikelihood(Tensor weight, Tensor bias, Tensor x, bool gradientOnly = false) =>
        LinearBernoulliOperation.Instance.Apply(this, weight, bias, x, gradientOnly);

    /// <summary>
    /// z = μ + exp(½ v) ε for means μ [B, n] (this tensor), log-variances v [B, n] and noise ε [B, S, n]: S samples of each of B diagonal
    /// Gaussians, differentiable with respect to μ, v and ε.
    /// </summary>
    /// <param name="logVariance">v = log σ².</param>
    /// <param name="epsilon">Standard normals.</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor GaussianSample(Tensor logVariance, Tensor epsilon) => GaussianSampleOperation.Instance.Apply(this, logVariance, epsilon);

    /// <summary>
    /// p · E[log N(z; 0, I)] + h · H[z] in nats, [B] float64, for z ~ N(μ, e^v) with means μ [B, n] (this tensor) and log-variances v [B, n]. With
    /// p = h = 1 it is -KL(N(μ, e^v) ‖ N(0, I)).
    /// </summary>
    /// <param name="logVariance">v = log σ².</param>
    /// <param name="prior">p.</param>
    /// <param name="entropy">h.</param>
    /// <exception cref="ShapeException">The sizes do not fit.</exception>
    public Tensor StandardGaussianTerms(Tensor logVariance, double prior = 1, double entropy = 1) =>
        StandardGaussianTermsOperation.Instance.Apply(this, logVariance, prior, entropy);

    private (int Outer, int Reduced, int Inner) Split(int axis)
    {
        int reduced = Shape[axis];
        int position = axis < 0 ? axis + Shape.Rank : axis;
        int outer = 1, inner = 1;
        for (int i = 0; i < position; i++)
            outer *= Shape[i];
        for (int i = position + 1; i < Shape.Rank; i++)
            inner *= Shape[i];
        return (outer, reduced, inner);
    }
}
