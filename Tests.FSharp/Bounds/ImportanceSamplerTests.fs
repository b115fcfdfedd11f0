module GapLab.Tests.Bounds.ImportanceSamplerTests

open System
open NUnit.Framework
open FsCheck.NUnit
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Bounds
open GapLab.Families
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures

let private x3 = [| 1.2; 0.4; -0.9; 0.7 |]
let private ffg (model: GenerativeModel) = FactorizedGaussian(model.Device, model.LatentSizes[0])

/// Both bounds of one q for `count` independent repetitions of a datapoint.
let private repeatedEstimate (model: GenerativeModel) x mean variance samples count seed =
    ImportanceSampler(samples)
        .Estimate(
            model,
            ffg model,
            repeated model.Device count x,
            sameLambda model.Device count mean variance,
            stream seed
        )

/// Factorised variances for which importance weights have a variance: 2 Λ - diag(1 / v) must be positive definite. The optimal ones of this
/// model, 1 / Λ_jj, are too narrow for that, and standard errors of their weights mean nothing.
let private wide (model: LinearGaussian) =
    let covariance = model.PosteriorCovariance()
    let v = Array.init 3 (fun j -> 1.3 * covariance[j, j])
    let precision = (Matrix<float>.Build.DenseOfArray covariance).Inverse()
    let excess = 2.0 * precision - Matrix<float>.Build.DenseOfDiagonalArray(Array.map (fun v -> 1.0 / v) v)
    Assert.That(excess.Evd().EigenValues |> Seq.forall (fun e -> e.Real > 0.0))
    v

let private cases =
    let one, three = golden cpu, correlated cpu

    [ one, [| 0.8 |], [| 0.2 |], [| 0.6 |]
      one, [| -2.5 |], [| -1.0 |], [| 0.3 |]
      three, x3, three.PosteriorMean x3, wide three
      three, x3, Array.map ((+) 0.3) (three.PosteriorMean x3), Array.map ((*) 1.5) (wide three) ]

[<Test>]
let ``the sampled ELBO is the exact one within four standard errors`` () =
    for model, x, mean, variance in cases do
        let estimate = (repeatedEstimate model x mean variance 40000 1 1UL).Elbo
        Assert.That(estimate.StandardErrors[0], Is.LessThan 0.02)

        agrees
            $"{model.Name} ELBO"
            (model.ExactElbo(x, mean, variance))
            (estimate.Values[0], estimate.StandardErrors[0])

[<Test>]
let ``the importance-weighted bound with many samples is log p(x) within four standard errors`` () =
    for model, x, mean, variance in cases do
        let estimate = (repeatedEstimate model x mean variance 40000 1 2UL).Iwae
        // Its bias, half the squared standard error, is far below the standard error.
        Assert.That(estimate.StandardErrors[0], Is.LessThan 0.02)
        agrees $"{model.Name} IWAE" (model.LogMarginal x) (estimate.Values[0], estimate.StandardErrors[0])

[<Test>]
let ``the float64 reference device and the CPU give the same bounds`` () =
    let on device =
        repeatedEstimate (correlated device) x3 [| 0.1; 0.2; 0.3 |] [| 0.3; 0.4; 0.5 |] 500 3 7UL
    // The same noise, rounded to float32; log-weights around 10 with relative errors of a few 2^-24.
    Assert.That((on cpu).Elbo.Values, near 1e-4 ((on reference).Elbo.Values))
    Assert.That((on cpu).Iwae.Values, near 1e-4 ((on reference).Iwae.Values))

[<Property(MaxTest = 60)>]
let ``ELBO is at most IWAE for any model, q and number of samples`` (seed: uint64) =
    let m = randomModel seed
    let model, n, s = m.On cpu, Array2D.length2 m.Weight, (stream seed).Fork 3UL
    let mean = Array.init n (fun j -> 2.0 * s.Normal(int64 j))
    let variance = Array.init n (fun j -> exp (2.0 * s.At(1).Normal(int64 j)))
    let k = 2 + s.Below(300, 5)
    let estimate = repeatedEstimate model m.X mean variance k 2 seed

    let ordered =
        Array.forall2 (fun elbo iwae -> elbo <= iwae + 1e-12 * abs iwae) estimate.Elbo.Values estimate.Iwae.Values

    ordered
    && estimate.EffectiveSampleSizes |> Array.forall (fun e -> e >= 1.0 - 1e-12 && e <= float k * (1.0 + 1e-12))

[<Test>]
let ``IWAE does not fall with the number of samples, and stays below log p(x)`` () =
    let model = correlated cpu
    let count = repetitions 500 5000
    let mean, variance = Array.map ((+) 0.5) (model.PosteriorMean x3), [| 1.0; 1.0; 1.0 |]
    let at k seed = (repeatedEstimate model x3 mean variance k count seed).Iwae.Values
    let ladder = [ at 2 1UL; at 10 2UL; at 50 3UL; at 250 4UL ]
    let rise fewer more = meanAndError (Array.map2 (-) more fewer)

    for fewer, more in List.pairwise ladder do
        let difference, error = rise fewer more
        Assert.That(difference, Is.GreaterThan(-4.0 * error))
    // For so poor a q the rise is far above the noise.
    let difference, error = rise ladder[0] (List.last ladder)
    Assert.That(difference, Is.GreaterThan(4.0 * error))

    for values in ladder do
        let mean, error = meanAndError values
        Assert.That(mean, Is.LessThan(model.LogMarginal x3 + 4.0 * error))

[<Test>]
let ``IWAE of one sample is the ELBO`` () =
    // One sample has no standard error, so the exact ELBO must lie within that of independent repetitions.
    let model = golden cpu
    let estimate = repeatedEstimate model [| 0.8 |] [| 0.2 |] [| 0.6 |] 1 4000 5UL
    Assert.That(estimate.Iwae.Values, near 1e-12 (estimate.Elbo.Values))
    agrees "L_1" (model.ExactElbo([| 0.8 |], [| 0.2 |], [| 0.6 |])) (meanAndError estimate.Iwae.Values)

[<Test>]
let ``the standard errors are calibrated`` () =
    let model = correlated cpu
    let count = repetitions 600 6000
    let mean, variance = model.PosteriorMean x3, wide model
    let estimate = repeatedEstimate model x3 mean variance 1000 count 6UL

    for what, bound, exact in
        [ "ELBO", estimate.Elbo, model.ExactElbo(x3, mean, variance); "IWAE", estimate.Iwae, model.LogMarginal x3 ] do
        // (estimate - exact) / standard error is standard normal but for a bias of about half a standard error of 0.03 at most.
        let z = Array.map2 (fun value error -> (value - exact) / error) bound.Values bound.StandardErrors
        let bias = Array.average bound.StandardErrors / 2.0
        let mean, error = meanAndError z
        Assert.That(mean, within (4.0 * error + bias) 0.0, $"{what}: mean of z")
        // The variance of a sample variance of normals is 2 / n; the weights' heavier tails may add a tenth.
        let squares, _ = meanAndError (Array.map (fun v -> v * v) z)
        Assert.That(squares, within (4.0 * sqrt (2.0 / float count) + 0.1) 1.0, $"{what}: mean of z²")

[<Test>]
let ``the average's Monte-Carlo error is that of independent datapoints`` () =
    let estimate = BoundEstimate("test", BoundDirection.Lower, [| 1.0; 3.0 |], [| 0.3; 0.4 |])
    Assert.That(estimate.Mean, equalTo 2.0)
    Assert.That(estimate.MonteCarloError, within 1e-15 0.25)

[<Test>]
let ``samples do not depend on the pieces they are drawn in`` () =
    // 600 samples are drawn in three pieces and 700 in other ones; the first 600 must be the same. Recovered from the means.
    let model = golden reference
    let elbo k = (repeatedEstimate model [| 0.8 |] [| 0.2 |] [| 0.6 |] k 1 9UL).Elbo.Values[0]
    let one k = float k * elbo k - (if k = 1 then 0.0 else float (k - 1) * elbo (k - 1))
    // Sample number 251 alone, once as the first of a piece, once in the middle of a longer sum.
    let total = Seq.sum [ for k in 252..260 -> one k ]
    Assert.That(total, within 1e-9 (260.0 * elbo 260 - 251.0 * elbo 251))
    Assert.That(one 251, Is.Not.EqualTo(one 1).Within 1e-6)

[<Test>]
let ``the bounds Elbo and Iwae are the two halves of one estimate`` () =
    let model = golden cpu
    let x, lambda = repeated cpu 3 [| 0.8 |], sameLambda cpu 3 [| 0.2 |] [| 0.6 |]
    let both = ImportanceSampler(50).Estimate(model, ffg model, x, lambda, stream 3UL)
    let elbo = Elbo(50).Estimate(model, ffg model, x, lambda, stream 3UL)
    let iwae = Iwae(50).Estimate(model, ffg model, x, lambda, stream 3UL)
    Assert.That(elbo.Values, equalTo both.Elbo.Values)
    Assert.That(iwae.Values, equalTo both.Iwae.Values)
    Assert.That((Elbo(50).Direction, Iwae(50).Direction), equalTo (BoundDirection.Lower, BoundDirection.Lower))
    Assert.That(iwae.Name, equalTo "IWAE-50")

[<Test>]
let ``a bound that samples from q says so when it gets none`` () =
    let model = golden cpu

    for bound in [ Elbo 5 :> Bound; Iwae 5 ] do
        let message =
            messageOf<GapLabException>(fun () ->
                bound.Estimate(model, ffg model, repeated cpu 1 [| 0.8 |], null, stream 1UL) |> ignore)

        Assert.That(message, Does.Contain(bound.Name).And.Contains("needs its local parameters"))

[<Test>]
let ``fewer than one sample is refused`` () =
    Assert.That(messageOf<GapLabException>(fun () -> ImportanceSampler 0 |> ignore), Does.Contain "at least 1 sample")

[<Test>]
let ``another number of local parameters than of datapoints is refused`` () =
    let model = golden cpu

    let message =
        messageOf<ShapeException>(fun () ->
            ImportanceSampler(5)
                .Estimate(model, ffg model, repeated cpu 3 [| 0.8 |], sameLambda cpu 2 [| 0.2 |] [| 0.6 |], stream 1UL)
            |> ignore)

    Assert.That(message, Does.Contain("3 datapoints").And.Contains("of 2"))
