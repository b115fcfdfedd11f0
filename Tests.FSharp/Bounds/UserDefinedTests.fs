/// A decoder, a family and a bound as a user would write them in a script, through everything that takes them.
module GapLab.Tests.Bounds.UserDefinedTests

open System
open System.Collections.Generic
open NUnit.Framework
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Networks
open GapLab.Models
open GapLab.Families
open GapLab.Inference
open GapLab.Bounds
open GapLab.Tests.Models.ModelFixtures

/// log p(x | z) = Σ_d log N(x_d; mean_d, s), written out.
type private Measured(mean: Tensor, variance: float) =
    inherit OutputDistribution()

    let residual (x: Observations) =
        match x with
        | :? DenseObservations as dense -> dense.Values.Reshape(Shape(dense.Count, 1, mean.Shape[-1])) - mean
        | other -> raise (ShapeException $"Measured: vectors of numbers are needed, not {other.GetType().Name}.")

    override _.Mean = mean

    override _.LogProb x =
        let constant = float mean.Shape[-1] * log (2.0 * Math.PI * variance)
        -0.5 * ((residual x).Square().Sum(-1, ElementType.Float64) / variance + constant)

    override _.Error x = residual x / variance
    override _.Sample _ = mean

/// A decoder: x = W z + noise, with W [D, n] its only parameter.
type private Instrument(device: Device, weight: float[,], variance: float) as this =
    inherit GenerativeModel(ParameterSet device)
    let d, n = Array2D.length1 weight, Array2D.length2 weight

    let position =
        this.Parameters.Add(
            "weight",
            Tensor.Create(device, Shape(d, n), ReadOnlySpan(Seq.toArray (Seq.cast<float> weight)))
        )

    override _.Name = "instrument"
    override _.LatentSizes = [| n |]
    override _.Prior(_, _) = DiagonalGaussian.Standard(device, n)

    override this.Output(z, _) =
        let rows, samples = z[0].Shape[0], z[0].Shape[1]
        let flat = z[0].Reshape(Shape(rows * samples, n)).MatMul(this.Parameters[position], transposeOther = true)
        Measured(flat.Reshape(Shape(rows, samples, d)), variance)

/// A family: Gaussians with one variance for all components; λ = [μ, log σ²].
type private Isotropic(device: Device, n: int) =
    inherit VariationalFamily(ParameterSet device)
    override _.Name = "isotropic"
    override _.LocalBlocks = [| LocalBlock("mean", n); LocalBlock("logVariance", 1) |]

    override _.Sample(lambda, _, noise) =
        let b = lambda.Count
        let epsilon = noise.Normal n
        let logVariance = lambda[1].Reshape(Shape(b, 1, 1))
        let z = lambda[0].Reshape(Shape(b, 1, n)) + (0.5 * logVariance).Exp() * epsilon
        let log2Pi = log (2.0 * Math.PI)
        let logQ = -0.5 * ((epsilon.Square() + logVariance + log2Pi).Sum(-1, ElementType.Float64))
        PosteriorSample(Latents [| z |], logQ, null)

    override _.InitialLocalParameters count =
        LocalParameters [| Tensor.Filled(device, Shape(count, n), 0.0); Tensor.Filled(device, Shape(count, 1), 0.0) |]

/// A bound: the log of the mean likelihood over samples of the prior, in expectation at most log p(x).
type private PriorSampling(samples: int) =
    inherit Bound()
    override _.Name = $"prior-{samples}"
    override _.Direction = BoundDirection.Lower

    override this.Estimate(model, _, x, _, stream, _, cancellation) =
        let estimates =
            Array.init x.Count (fun row ->
                cancellation.ThrowIfCancellationRequested()
                use _scope = MemoryScope.Enter()
                let one = x.Select(ReadOnlySpan [| row |])
                let w = model.LogLikelihood(one, model.SamplePrior(Noise(one, stream, samples))).ToArray()
                LogWeights.LogMeanExp(ReadOnlySpan w), LogWeights.StandardError(ReadOnlySpan w))

        BoundEstimate(this.Name, this.Direction, Array.map fst estimates, Array.map snd estimates)

let private weight = array2D [ [ 1.0; 0.6 ]; [ 0.2; 1.1 ]; [ -0.5; 0.4 ] ]
let private variance = 0.7
/// The same model, whose answers are exact.
let private exact = LinearGaussian(cpu, weight, [| 0.0; 0.0; 0.0 |], variance)
let private rows = drawFrom weight [| 0.0; 0.0; 0.0 |] variance (stream 1UL) 8
let private x = observe cpu rows

[<Test>]
let ``a decoder, a family and a bound of one's own give the exact gaps`` () =
    let model, family = Instrument(cpu, weight, variance), Isotropic(cpu, 2)
    // KL(N(μ, v I) ‖ posterior) is least at the exact mean and v = n / tr Λ.
    let precision = (Matrix<float>.Build.DenseOfArray(exact.PosteriorCovariance())).Inverse()
    let v = 2.0 / precision.Trace()
    let best = rows |> Array.averageBy (fun row -> exact.ExactElbo(row, exact.PosteriorMean row, [| v; v |]))
    let start = rows |> Array.averageBy (fun row -> exact.ExactElbo(row, [| 0.0; 0.0 |], [| 1.0; 1.0 |]))
    let marginal = rows |> Array.averageBy exact.LogMarginal

    let optimum =
        LocalOptimizer(LocalOptimizerOptions(Samples = 50, Patience = 5)).Optimize(model, family, x, stream 2UL)

    let star = ImportanceSampler(10000).Estimate(model, family, x, optimum.Lambda, stream 3UL)
    let q = ImportanceSampler(10000).Estimate(model, family, x, family.InitialLocalParameters 8, stream 4UL)

    let ais =
        Ais(AisOptions(Betas = AnnealingSchedule.Linear 30, LeapfrogSteps = 4, StepSizes = StepSizeMode.Frozen))
            .Run(model, x, stream 5UL)

    let own = PriorSampling(20000).Estimate(model, family, x, null, stream 6UL)

    for bound in [ star.Iwae; ais.LogMarginal; own ] do
        // Half a squared standard error of downward bias at most.
        let bias = bound.StandardErrors |> Array.averageBy (fun e -> e * e / 2.0)
        Assert.That(bound.Mean, within (4.0 * bound.MonteCarloError + bias) marginal, bound.Name)

    let mean, logVariance = optimum.Lambda[0].ToArray(), optimum.Lambda[1].ToArray()

    let found =
        rows
        |> Seq.mapi (fun i row ->
            exact.ExactElbo(row, mean[2 * i .. 2 * i + 1], Array.replicate 2 (exp logVariance[i])))
        |> Seq.average
    // A check of 100 steps with 50 samples has an error of at most 0.02 nats; the best one may owe four of them to luck.
    Assert.That(best - found, Is.InRange(0.0, 0.08))
    agrees "optimum" found (star.Elbo.Mean, star.Elbo.MonteCarloError)
    agrees "start" start (q.Elbo.Mean, q.Elbo.MonteCarloError)
    let gaps = Gaps.Compute([| star.Iwae; ais.LogMarginal; own |], star.Elbo, q.Elbo, stream 7UL)
    let error = own.MonteCarloError + star.Elbo.MonteCarloError + q.Elbo.MonteCarloError
    Assert.That(gaps.Approximation.Value, within (4.0 * error) (marginal - found))
    Assert.That(gaps.Amortization.Value, within (4.0 * error) (found - start))

[<Test>]
let ``they run on the reference device with the same noise to the same numbers`` () =
    let on device =
        let model, family = Instrument(device, weight, variance), Isotropic(device, 2)
        let x = observe device rows
        let lambda = family.InitialLocalParameters 8
        let elbo = (ImportanceSampler(300).Estimate(model, family, x, lambda, stream 3UL)).Elbo.Values
        let own = (PriorSampling(300).Estimate(model, family, x, null, stream 3UL)).Values
        Array.append elbo own
    // float32 against float64: log-weights around 10 with relative errors of a few 2^-24.
    Assert.That(on cpu, near 1e-4 (on reference))

[<Test>]
let ``With gives a user's decoder other values`` () =
    let model = Instrument(cpu, weight, variance)
    use _scope = MemoryScope.Enter()
    let zero = [| Tensor.Filled(cpu, Shape(3, 2), 0.0) |]
    let z = model.SamplePrior(Noise(x, stream 1UL, 4))
    let blank = model.With(model.Parameters.With(ReadOnlySpan zero)).LogLikelihood(x, z).ToArray()
    // W = 0: every sample of a datapoint has the same likelihood.
    for i in 0..7 do
        Assert.That(blank[4 * i .. 4 * i + 3], Is.All.EqualTo(blank[4 * i]))
        let expected = -0.5 * Array.sumBy (fun v -> v * v / variance + log (2.0 * Math.PI * variance)) rows[i]
        Assert.That(blank[4 * i], within 1e-5 expected)

    Assert.That(model.LogLikelihood(x, z).ToArray(), Is.Not.EqualTo(blank).Within 1e-2)

/// Two levels: z₁ ~ N(0, 1), z₀ | z₁ ~ N(a z₁, v) twice, x | z₀ ~ N(z₀ᵀ w, s).
type private TwoLevels(device: Device) =
    inherit GenerativeModel(ParameterSet device)
    let a = Tensor.Create(device, Shape(1, 2), ReadOnlySpan [| 0.9; -0.6 |]).ToOwned()
    let w = Tensor.Create(device, Shape(2, 1), ReadOnlySpan [| 1.0; 0.7 |]).ToOwned()
    override _.Name = "two levels"
    override _.LatentSizes = [| 2; 1 |]

    override _.Prior(level, above: IReadOnlyList<Tensor>) =
        if level = 1 then
            DiagonalGaussian.Standard(device, 1)
        else
            DiagonalGaussian(above[0] * a.Reshape(Shape(1, 1, 2)), Tensor.Filled(device, Shape 2, log 0.5))

    override _.Output(z, _) =
        let b, s = z[0].Shape[0], z[0].Shape[1]
        Measured(z[0].Reshape(Shape(b * s, 2)).MatMul(w).Reshape(Shape(b, s, 1)), 0.3)

[<Test>]
let ``a model of two levels is annealed over both`` () =
    let model = TwoLevels cpu
    // x = wᵀ (a z₁ + √0.5 ε) + noise: variance (wᵀa)² + 0.5 |w|² + 0.3, with wᵀa = 0.48 and |w|² = 1.49.
    let total = 0.48 * 0.48 + 0.5 * 1.49 + 0.3
    let log_p x = -0.5 * (log (2.0 * Math.PI * total) + x * x / total)

    for value in [ 0.4; -2.0 ] do
        let x = observe cpu [| [| value |] |]

        let options =
            AisOptions(
                Betas = AnnealingSchedule.Sigmoid 8,
                Chains = 4000,
                LeapfrogSteps = 3,
                StepSizes = StepSizeMode.Frozen,
                InitialStepSize = 0.4
            )

        let mutable acceptance = 0.0
        let w = Ais(options).LogWeightsOf(model, x, 0, stream 8UL, &acceptance)
        Assert.That(acceptance, Is.InRange(0.3, 1.0))
        agrees "mean weight / p(x)" 1.0 (meanAndError (Array.map (fun w -> exp (w - log_p value)) w))
        let prior = PriorSampling(20000).Estimate(model, null, x, null, stream 9UL)
        agrees "prior sampling" (log_p value) (prior.Values[0], prior.StandardErrors[0])

[<Test>]
let ``the joint density of two levels is the product along the hierarchy`` () =
    use _scope = MemoryScope.Enter()
    let model = TwoLevels reference
    let z0, z1 = [| 0.3; -1.2 |], 0.8

    let z =
        Latents
            [| Tensor.Create(reference, Shape(1, 1, 2), ReadOnlySpan z0)
               Tensor.Create(reference, Shape(1, 1, 1), ReadOnlySpan [| z1 |]) |]

    let normal m v x = -0.5 * (log (2.0 * Math.PI * v) + (x - m) ** 2.0 / v)
    let prior = normal 0.0 1.0 z1 + normal (0.9 * z1) 0.5 z0[0] + normal (-0.6 * z1) 0.5 z0[1]
    Assert.That(model.LogPrior(z).ToDouble(), within 1e-12 prior)

    Assert.That(
        model.LogJoint(observe reference [| [| 0.4 |] |], z).ToDouble(),
        within 1e-12 (prior + normal (0.3 - 0.84) 0.3 0.4)
    )
