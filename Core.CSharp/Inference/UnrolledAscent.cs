using GapLab.Differentiation;
using GapLab.Families;
using GapLab.Objectives;
using GapLab.Optimization;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>
/// Gradient ascent with momentum on λ, and the derivatives of what comes after it with respect to where it started and to θ (Kim et al. 2018, algorithm 1, after Domke 2012). For objectives
/// L_k, whose noise may differ from step to step, and F_k = Σ_b L_k / B,
/// <code>
/// v_{k+1} = γ v_k + ∂F_k/∂λ(λ_k),   λ_{k+1} = λ_k + α v_{k+1},   v_0 = 0,   k = 0 .. K-1
/// </code>
/// and backwards, from the adjoints λ̄_K and θ̄ of any function of λ_K and θ, with v̄_K = 0,
/// <code>
/// v̄_{k+1} += α λ̄_{k+1},   λ̄_k = λ̄_{k+1} + H_λλ F_k v̄_{k+1},   θ̄ += H_θλ F_k v̄_{k+1},   v̄_k = γ v̄_{k+1}
/// </code>
/// Only λ_0 .. λ_K are stored; each step is differentiated in a memory scope of its own, so that nothing else grows with K.
/// </summary>
/// <remarks>
/// Clipping: forward, the gradient of each block of λ has a norm of its own; backward, θ's products H_θλ v̄ of one step have one together, and so have the blocks of the new λ̄. The products
/// themselves are those of unclipped gradients (but see <see cref="HessianProduct.Original"/>), so that with clipping the derivatives are no longer those of the whole computation. In the scope of a
/// datapoint, λ and λ̄ are clipped row by row to the threshold over √B; θ has no rows.
/// </remarks>
/// <param name="options">The settings.</param>
/// <param name="blocks">The names of λ's blocks, for messages.</param>
/// <exception cref="GapLabException">A number is out of its range.</exception>
public sealed class UnrolledAscent(SemiAmortizedOptions options, IReadOnlyList<LocalBlock> blocks)
{
    private const string Name = "Gradient ascent on λ", Advice = "use a smaller step size, or clip gradients";

    private readonly SemiAmortizedOptions _options = options.Checked();

    /// <summary>1 / B.</summary>
    private double Scale => 1.0 / _options.BatchSize;

    /// <summary>λ_0, ..., λ_K; all but λ_0 are constants in the current memory scope.</summary>
    /// <param name="objective">L_k; asked for the same k, it must give the same function each time.</param>
    /// <param name="start">λ_0.</param>
    /// <exception cref="GapLabException">A gradient is not finite: names the block of λ and the step.</exception>
    public InferenceTrace Ascend(Func<int, IObjective> objective, LocalParameters start)
    {
        var points = new LocalParameters[_options.Iterations + 1];
        points[0] = start;
        Tensor[] velocity = Zeros(start);
        var gradients = new Tensor[velocity.Length];
        for (int k = 0; k < _options.Iterations; k++)
        {
            using MemoryScope scope = MemoryScope.Enter();
            LocalParameters present = Constant(scope, points[k]);
            objective(k).Gradient(present, gradients);
            Multiply(gradients, Scale);
            ClipForward(gradients);
            var next = new Tensor[velocity.Length];
            for (int i = 0; i < next.Length; i++)
            {
                Tensor v = _options.Momentum * velocity[i] + gradients[i];
                velocity[i].Assign(v);
                next[i] = scope.Keep(present[i] + _options.StepSize * v);
            }
            points[k + 1] = new LocalParameters(next);
        }
        // What is not finite stays so: one look at the end is enough, unless there is something to find.
        if (points[^1].Blocks.Any(block => !GradientCheck.IsFinite(block)))
            for (int k = 1; k < points.Length; k++)
                GradientCheck.RequireFinite(Name, blocks, [.. points[k].Blocks], k, Advice);
        return new InferenceTrace(points);
    }

    /// <summary>From the derivatives of a function of λ_K and θ those of the same as a function of λ_0 and θ; functions of λ_k before λ_K may be added to it.</summary>
    /// <param name="objective">The L_k of the ascent.</param>
    /// <param name="trace">What it gave.</param>
    /// <param name="lambda">λ̄_K for each block, tensors that are changed in place: afterwards λ̄_0.</param>
    /// <param name="parameters">θ̄ for each of the objective's parameters, changed in place.</param>
    /// <param name="product">How products with second derivatives are computed.</param>
    /// <param name="earlier">w_0, w_1, ...: the function has the further terms Σ_k w_k Σ_b L_k(λ_k), k &lt; K; missing ones are 0.</param>
    /// <exception cref="GapLabException">The products are clipped as in the original, but not over the batch; or the derivatives are not finite: names the block of λ.</exception>
    public void PullBack(
        Func<int, IObjective> objective, InferenceTrace trace, ReadOnlySpan<Tensor> lambda, ReadOnlySpan<Tensor> parameters,
        HessianProduct product = HessianProduct.Exact, ReadOnlySpan<double> earlier = default)
    {
        if (product == HessianProduct.Original && _options is { Clip: not null, Scope: ClipScope.Datapoint })
            throw new GapLabException($"{Name}: the original clips the gradients of λ and θ together, which single datapoints do not have; clip over the batch, or use another product.");
        Tensor[] velocity = Zeros(trace.Points[0]);
        int count = velocity.Length;
        for (int k = trace.Points.Count - 2; k >= 0; k--)
        {
            using MemoryScope scope = MemoryScope.Enter();
            LocalParameters present = Constant(scope, trace.Points[k]);
            var direction = new Tensor[count];
            for (int i = 0; i < count; i++)
            {
                direction[i] = velocity[i] + _options.StepSize * lambda[i];
                velocity[i].Assign(_options.Momentum * direction[i]);
            }
            IObjective f = objective(k);
            var products = new Tensor[count + parameters.Length];
            Products(product, f, present, direction, products);
            for (int i = 0; i < count; i++)
                products[i] += lambda[i];
            ClipLambda(products.AsSpan(0, count));
            for (int i = 0; i < count; i++)
                lambda[i].Assign(products[i]);
            // What is clipped is multiplied on the way, without a pass over all weights of its own.
            Span<Tensor> ofParameters = products.AsSpan(count);
            GradientSums.AddTo(parameters, ofParameters, _options.Clip is { } threshold ? GradientClip.Factor(ofParameters, threshold) : 1);
            if (k < earlier.Length && earlier[k] != 0)
            {
                Tensor[] gradients = Gradients(f, present.Blocks);
                GradientSums.AddTo(lambda, gradients.AsSpan(0, count), earlier[k]);
                GradientSums.AddTo(parameters, gradients.AsSpan(count), earlier[k]);
            }
        }
        GradientCheck.RequireFinite(Name, blocks, lambda, 1, Advice);
    }

    /// <summary>H_λλ F v and H_θλ F v, one after the other.</summary>
    private void Products(HessianProduct product, IObjective f, LocalParameters lambda, Tensor[] v, Tensor[] products)
    {
        int count = v.Length;
        if (product == HessianProduct.Exact)
        {
            f.HessianVectorProduct(lambda, [.. v.Select(direction => direction * Scale)], products.AsSpan(0, count), products.AsSpan(count));
            return;
        }
        // The papers' f is the negative of ours, and so are the directions that it moves λ along.
        (double ahead, double behind) = product == HessianProduct.Central ? CentralSteps(lambda, v) : (-1e-5, 0);
        Tensor[] there = GradientsAt(f, lambda, v, ahead), here = GradientsAt(f, lambda, v, -behind);
        if (product == HessianProduct.Original && _options.Clip is { } threshold)
        {
            GradientClip.Jointly(there, threshold);
            ClipForward(here.AsSpan(0, count));
        }
        for (int i = 0; i < products.Length; i++)
            products[i] = (there[i] - here[i]) / (ahead + behind);
    }

    private static (double Ahead, double Behind) CentralSteps(LocalParameters lambda, Tensor[] v)
    {
        double precision = lambda[0].Type == ElementType.Float64 ? Math.BitIncrement(1.0) - 1 : MathF.BitIncrement(1) - 1;
        double least = Math.Sqrt(lambda.Blocks.Sum(block => (double)block.Count)), norm = GradientClip.Norm(v);
        double h = norm > 0 ? Math.Cbrt(precision) * Math.Max(least, GradientClip.Norm([.. lambda.Blocks])) / norm : 1;
        return (h, h);
    }

    /// <summary>∂F/∂λ and ∂F/∂θ at λ + h v.</summary>
    private Tensor[] GradientsAt(IObjective f, LocalParameters lambda, Tensor[] v, double h)
    {
        Tensor[] moved = h == 0 ? [.. lambda.Blocks] : [.. lambda.Blocks.Select((block, i) => (block + h * v[i]).Detach())];
        Tensor[] gradients = Gradients(f, moved);
        Multiply(gradients, Scale);
        return gradients;
    }

    /// <summary>The gradients of Σ_b L with respect to λ and θ.</summary>
    private static Tensor[] Gradients(IObjective f, IReadOnlyList<Tensor> lambda)
    {
        Tensor[] wanted = [.. lambda, .. f.Parameters];
        var gradients = new Tensor[wanted.Length];
        Gradient.Of(f.Value(new LocalParameters([.. lambda])), wanted, gradients);
        return gradients;
    }

    private void ClipForward(Span<Tensor> gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
            ClipLambda(gradients.Slice(i, 1));
    }

    private void ClipLambda(Span<Tensor> gradients)
    {
        if (_options.Clip is not { } threshold)
            return;
        if (_options.Scope == ClipScope.Batch)
            GradientClip.Jointly(gradients, threshold);
        else
            GradientClip.ByRow(gradients, threshold * Math.Sqrt(Scale));
    }

    private static void Multiply(Span<Tensor> tensors, double factor)
    {
        for (int i = 0; i < tensors.Length; i++)
            tensors[i] *= factor;
    }

    private static LocalParameters Constant(MemoryScope scope, LocalParameters lambda) => new([.. lambda.Blocks.Select(scope.Copy)]);

    private static Tensor[] Zeros(LocalParameters lambda) => [.. lambda.Blocks.Select(block => Tensor.Filled(block.Device, block.Shape, 0, block.Type))];
}
