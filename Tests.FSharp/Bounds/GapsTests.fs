module GapLab.Tests.Bounds.GapsTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Bounds
open GapLab.Families
open GapLab.Inference
open GapLab.Tests.Models.ModelFixtures

let private weight = array2D [ [ 1.0; 0.8; 0.1 ]; [ 0.9; 1.1; -0.3 ]; [ -0.2; 0.5; 0.7 ]; [ 0.4; -0.6; 1.2 ] ]
let private data seed count = drawFrom weight [| 0.3; -0.2; 0.1; 0.5 |] 0.6 (stream seed) count

let private lower name (values: float[]) =
    BoundEstimate(name, BoundDirection.Lower, values, Array.zeroCreate values.Length)

let private upper name (values: float[]) =
    BoundEstimate(name, BoundDirection.Upper, values, Array.zeroCreate values.Length)

[<Test>]
let ``the gaps of a linear-Gaussian model with a poor q are the exact ones within two standard errors`` () =
    let model, n = correlated cpu, 12
    let family, rows = FactorizedGaussian(cpu, 3), data 1UL n
    let x = observe cpu rows
    // q: the means shrunk to 60 %, twice the best variances.
    let variance = model.OptimalFactorizedVariance()
    let poorMean = Array.map (fun row -> Array.map ((*) 0.6) (model.PosteriorMean row)) rows

    let poor =
        LocalParameters
            [| matrixOf cpu poorMean; matrixOf cpu (Array.replicate n (Array.map (fun v -> log (2.0 * v)) variance)) |]

    let optimum = LocalOptimizer(LocalOptimizerOptions()).Optimize(model, family, x, stream 2UL)
    let sampler = ImportanceSampler 20000
    let star = sampler.Estimate(model, family, x, optimum.Lambda, stream 3UL)
    let q = sampler.Estimate(model, family, x, poor, stream 4UL)

    let ais =
        Ais(
            AisOptions(
                Betas = AnnealingSchedule.Linear 60,
                Chains = 100,
                LeapfrogSteps = 5,
                StepSizes = StepSizeMode.Frozen
            )
        )
            .Run(model, x, stream 5UL)

    let gaps = Gaps.Compute([| star.Iwae; ais.LogMarginal |], star.Elbo, q.Elbo, stream 6UL)

    let exactMarginal = Array.averageBy model.LogMarginal rows

    let exactPoor =
        Array.map2 (fun row mean -> model.ExactElbo(row, mean, Array.map ((*) 2.0) variance)) rows poorMean
        |> Array.average
    // What local optimisation found, and what it misses: each check has an error of 0.012 nats, of which the best may owe four to luck.
    let mean, logVariance = optimum.Lambda[0].ToArray(), optimum.Lambda[1].ToArray()
    let own (values: float[]) i = values[3 * i .. 3 * i + 2]

    let exactStar =
        rows
        |> Seq.mapi (fun i row -> model.ExactElbo(row, own mean i, Array.map exp (own logVariance i)))
        |> Seq.average

    let missing = exactMarginal - model.FactorizedApproximationGap() - exactStar
    Assert.That(missing, Is.InRange(0.0, 0.048))
    let approximation = exactMarginal - exactStar
    let inference = exactMarginal - exactPoor

    let check (gap: Gap) exact (a: BoundEstimate) (b: BoundEstimate) =
        let error = sqrt (a.MonteCarloError ** 2.0 + b.MonteCarloError ** 2.0)
        Assert.That(error, Is.LessThan(0.02 * exact), $"{gap.Name}: precise enough to tell")
        Assert.That(gap.Value, within (2.0 * error) exact, gap.Name)
        Assert.That(gap.Value, Is.InRange(gap.Low, gap.High))

    check gaps.Approximation approximation gaps.LogMarginal star.Elbo
    check gaps.Amortization (inference - approximation) star.Elbo q.Elbo
    check gaps.Inference inference gaps.LogMarginal q.Elbo
    Assert.That(gaps.Approximation.Bias, equalTo GapBias.Undetermined)
    Assert.That((gaps.Amortization.Bias, gaps.Inference.Bias), equalTo (GapBias.Underestimate, GapBias.Underestimate))

[<Property(MaxTest = 50)>]
let ``approximation and amortization make up the inference gap, to rounding`` (seed: uint64) =
    let s = stream seed
    let n = 1 + s.Below(20, 0)
    let values lane = Array.init n (fun i -> -90.0 + 10.0 * s.At(0, 0, lane).Normal(int64 i))

    let gaps =
        Gaps.Compute([| lower "a" (values 1); lower "b" (values 2) |], lower "star" (values 3), lower "q" (values 4), s)

    abs (gaps.Approximation.Value + gaps.Amortization.Value - gaps.Inference.Value) < 1e-12 * 100.0
    && [ gaps.Approximation; gaps.Amortization; gaps.Inference ] |> List.forall (fun g -> g.Low <= g.High)

[<Test>]
let ``log p(x) is the larger of two averages, not the average of the larger`` () =
    // Averages -5.5 and -5.0; datapoint by datapoint the larger would be -0.5 on average.
    let a, b = lower "A" [| -1.0; -10.0 |], lower "B" [| -10.0; 0.0 |]
    let gaps = Gaps.Compute([| a; b |], lower "star" [| -12.0; -12.0 |], lower "q" [| -13.0; -15.0 |], stream 1UL)
    Assert.That(gaps.LogMarginal.Name, equalTo "B")
    Assert.That(gaps.Approximation.Value, within 1e-12 7.0)
    Assert.That(gaps.Amortization.Value, within 1e-12 2.0)
    Assert.That(gaps.Inference.Value, within 1e-12 9.0)
    Assert.That((Gaps.Compute([| b; a |], a, a, stream 1UL)).LogMarginal.Name, equalTo "B")

[<Test>]
let ``a gap that is the same for every datapoint has an interval of no width`` () =
    let values = Array.init 20 (fun i -> -float i)

    let gaps =
        Gaps.Compute(
            [| lower "p" values |],
            lower "star" (Array.map (fun v -> v - 1.5) values),
            lower "q" (Array.map (fun v -> v - 4.0) values),
            stream 1UL
        )

    for gap, value in [ gaps.Approximation, 1.5; gaps.Amortization, 2.5; gaps.Inference, 4.0 ] do
        Assert.That((gap.Value, gap.Low, gap.High), Is.EqualTo((value, value, value)).Within 1e-12)

[<Test>]
let ``the intervals cover the exact gap of the population as often as they say`` () =
    // q = N(0, I) for every x: its amortization gap over x ~ p(x) averages 1/2 (tr Λ + tr(Λ C) - n - log det Λ) less the approximation gap, where
    // C = I - Λ⁻¹ is the covariance of the posterior means, so tr(Λ C) = tr Λ - n.
    let model = correlated reference
    let precision = (Matrix<float>.Build.DenseOfArray(model.PosteriorCovariance())).Inverse()

    let population =
        0.5 * (2.0 * precision.Trace() - 6.0 - log (precision.Determinant())) - model.FactorizedApproximationGap()

    let variance = model.OptimalFactorizedVariance()
    let count = repetitions 150 2000

    let covered, below =
        Seq.fold
            (fun (covered, below) (repetition: int) ->
                let rows = data (100UL + uint64 repetition) 60
                let star = rows |> Array.map (fun x -> model.ExactElbo(x, model.PosteriorMean x, variance))
                let q = rows |> Array.map (fun x -> model.ExactElbo(x, Array.zeroCreate 3, Array.replicate 3 1.0))

                let gap =
                    Gaps
                        .Compute(
                            [| lower "p" (Array.map model.LogMarginal rows) |],
                            lower "star" star,
                            lower "q" q,
                            (stream 7UL).Fork(uint64 repetition)
                        )
                        .Amortization

                (covered + (if gap.Low <= population && population <= gap.High then 1 else 0)),
                below + (if gap.Value < population then 1 else 0))
            (0, 0)
            [ 1..count ]
    // Percentile intervals of 60 datapoints of a skew quantity cover a few percent less than the nominal 95 %; four binomial standard errors of 93 % +- 3 %.
    let error = sqrt (0.93 * 0.07 / float count)
    Assert.That(float covered / float count, Is.InRange(0.90 - 4.0 * error, 0.97 + 4.0 * error))
    // The estimate itself falls on either side.
    Assert.That(float below / float count, Is.InRange(0.3, 0.75))

[<Test>]
let ``a wider level gives a wider interval, another seed nearly the same one`` () =
    let s = stream 3UL

    let p, star, q =
        [| for lane in 1..3 -> Array.init 200 (fun i -> s.At(0, 0, lane).Normal(int64 i)) |]
        |> fun v -> v[0], v[1], v[2]

    let compute level seed =
        (Gaps.Compute([| lower "p" p |], lower "star" star, lower "q" q, stream seed, level)).Inference

    let wide, narrow, other = compute 0.95 1UL, compute 0.5 1UL, compute 0.95 2UL
    // Normal theory: half-widths of 1.96 and 0.674 standard errors; 2,000 resamples give them to a few percent.
    let _, error = meanAndError (Array.map2 (-) p q)
    Assert.That((wide.High - wide.Low) / 2.0, within (0.2 * error) (1.96 * error))
    Assert.That((narrow.High - narrow.Low) / 2.0, within (0.1 * error) (0.674 * error))
    Assert.That(other.Low, within (0.2 * error) wide.Low)
    Assert.That(compute 0.95 1UL, equalTo wide)

[<Test>]
let ``estimates of different datapoints are refused`` () =
    let two, three = lower "a" [| 1.0; 2.0 |], lower "b" [| 1.0; 2.0; 3.0 |]

    let refused (work: unit -> Gaps) =
        Assert.That(
            messageOf<GapLabException>(work >> ignore),
            Does.Contain "all bounds must be estimates of the same datapoints"
        )

    refused (fun () -> Gaps.Compute([| two; three |], two, two, stream 1UL))
    refused (fun () -> Gaps.Compute([| two |], three, two, stream 1UL))
    refused (fun () -> Gaps.Compute([| two |], two, three, stream 1UL))
    refused (fun () -> Gaps.Compute([||], two, two, stream 1UL))

[<Test>]
let ``upper bounds are refused, wherever they are given`` () =
    let a, above = lower "a" [| 1.0; 2.0 |], upper "b" [| 1.0; 2.0 |]

    let refused (work: unit -> Gaps) =
        Assert.That(messageOf<GapLabException>(work >> ignore), Does.Contain "an upper bound was given")

    refused (fun () -> Gaps.Compute([| a; above |], a, a, stream 1UL))
    refused (fun () -> Gaps.Compute([| a |], above, a, stream 1UL))
    refused (fun () -> Gaps.Compute([| a |], a, above, stream 1UL))

[<TestCase(0.0)>]
[<TestCase(1.0)>]
[<TestCase(95.0)>]
[<TestCase(Double.NaN)>]
let ``a coverage that is no fraction is refused`` (level: float) =
    let a = lower "a" [| 1.0; 2.0 |]

    Assert.That(
        messageOf<GapLabException>(fun () -> Gaps.Compute([| a |], a, a, stream 1UL, level) |> ignore),
        Does.Contain "between 0 and 1"
    )
