/// Information in the latent variables where it is known: linear-Gaussian models, collapsed posteriors, separate ones.
module GapLab.Tests.Bounds.PosteriorDiagnosticsTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures

/// Orthogonal columns, so that the exact posterior is factorised; the third latent variable does nothing.
let private weight = array2D [ [ 1.2; 0.5; 0.0 ]; [ 0.6; -1.0; 0.0 ]; [ 0.0; 0.3; 0.0 ]; [ -0.4; 0.0; 0.0 ] ]
let private noiseVariance = 0.8
let private modelOn device = LinearGaussian(device, weight, Array.zeroCreate 4, noiseVariance)

/// λ of the exact posteriors of data drawn from the model.
let private exact device seed count =
    let model = modelOn device
    let rows = drawFrom weight (Array.zeroCreate 4) noiseVariance (stream seed) count
    let logVariance = model.OptimalFactorizedVariance() |> Array.map log

    let lambda =
        LocalParameters
            [| matrixOf device (Array.map model.PosteriorMean rows)
               matrixOf device (Array.replicate count logVariance) |]

    model, observe device rows, lambda

let private gaussians (device: Device) (means: float[][]) (variances: float[][]) =
    let rows = Array.replicate means.Length (Array.zeroCreate<float> 4)

    observe device rows,
    LocalParameters [| matrixOf device means; matrixOf device (Array.map (Array.map log) variances) |]

let private diagnose model (x: Observations) lambda samples =
    PosteriorDiagnostics.Compute(model, FactorizedGaussian(x.Device, 3), x, lambda, samples, stream 9UL)

/// ½ log det(I + WᵀW / s), and its terms: the columns are orthogonal.
let private precisions =
    [| for j in 0..2 -> 1.0 + Seq.sumBy (fun i -> weight[i, j] ** 2.0) [ 0..3 ] / noiseVariance |]

let private information = precisions |> Array.sumBy (fun p -> 0.5 * log p)

[<Test>]
let ``exact posteriors of a linear-Gaussian model have its mutual information, and are the prior together`` () =
    for device in [ cpu; reference ] do
        let model, x, lambda = exact device 1UL (repetitions 2000 10000)
        let result = diagnose model x lambda 4
        agrees "mutual information" information (meanAndError (Seq.toArray result.Information))
        agrees "mean KL" information (meanAndError (Seq.toArray result.Kl))
        Assert.That(result.MarginalKl.Value, within (4.0 * snd (meanAndError (Seq.toArray result.Kl))) 0.0)
        Assert.That(result.MeanKlError, Is.Zero)
        Assert.That(result.ActiveUnits, equalTo 2)
        // Var(E[z_j]) = 1 - 1 / Λ_jj; the variance of a normal sample has the relative standard error √(2 / N).
        for j in 0..2 do
            let expected = 1.0 - 1.0 / precisions[j]
            Assert.That(result.MeanVariances[j], within (4.0 * expected * sqrt (2.0 / float x.Count) + 1e-12) expected)

[<Test>]
let ``the divergences are those of the closed form`` () =
    let model, x, lambda = exact reference 2UL 20
    let result = diagnose model x lambda 2
    let mean, logVariance = lambda[0].ToArray(), lambda[1].ToArray()

    let expected =
        [| for n in 0 .. x.Count - 1 ->
               Seq.sum (
                   seq {
                       for i in 3 * n .. 3 * n + 2 do
                           0.5 * (exp logVariance[i] + mean[i] ** 2.0 - logVariance[i] - 1.0)
                   }
               ) |]

    Assert.That(Seq.toArray result.Kl, near 1e-12 expected)

[<Test>]
let ``a collapsed posterior says nothing`` () =
    for device in [ cpu; reference ] do
        let x, lambda = gaussians device (Array.replicate 700 [| 0.; 0.; 0. |]) (Array.replicate 700 [| 1.; 1.; 1. |])
        let result = diagnose (modelOn device) x lambda 3
        Assert.That(result.MeanKl, within 1e-9 0.0)
        Assert.That(result.MutualInformation.Value, within 1e-12 0.0)
        Assert.That(result.MutualInformationError, within 1e-12 0.0)
        Assert.That(result.MarginalKl.Value, within 1e-9 0.0)
        Assert.That(result.ActiveUnits, Is.Zero)
        Assert.That(result.MeanVariances, Is.All.Zero)

[<Test>]
let ``separate posteriors say which datapoint it is, and no more`` () =
    // 1,100 components: more than two blocks of the mixture.
    for count in [ 1; 2; 1100 ] do
        let means = Array.init count (fun n -> [| 10.0 * float n; 0.0; 1.0 |])
        let x, lambda = gaussians reference means (Array.replicate count [| 0.01; 1.0; 0.5 |])
        let result = diagnose (modelOn reference) x lambda 2
        Assert.That(result.MutualInformation.Value, within 1e-12 (log (float count)))
        Assert.That(result.ActiveUnits, equalTo (if count = 1 then 0 else 1))

[<Property(MaxTest = 20)>]
let ``no datapoint says more than log N, whatever the posteriors`` (seed: uint64) =
    let s = stream seed
    let count = 1 + s.Below(40, 0)

    let numbers step scale =
        Array.init count (fun n -> Array.init 3 (fun j -> scale * s.At(n, step).Normal(int64 j)))

    let x, lambda = gaussians reference (numbers 1 3.0) (numbers 2 2.0 |> Array.map (Array.map exp))
    let result = diagnose (modelOn reference) x lambda 3
    Assert.That(result.Information, Is.All.LessThanOrEqualTo(log (float count) + 1e-12))
    Assert.That(result.Kl, Is.All.GreaterThanOrEqualTo -1e-12)

[<Test>]
let ``the order of the datapoints does not matter`` () =
    let model, x, lambda = exact cpu 3UL 600
    let order = [| 0..599 |]
    (stream 4UL).Shuffle(Span order)
    let one = diagnose model x lambda 2
    let other = diagnose model (x.Select(ReadOnlySpan order)) (lambda.Select(ReadOnlySpan order)) 2
    Assert.That(Seq.toArray other.Kl, equalTo [| for n in order -> one.Kl[n] |])
    Assert.That(Seq.toArray other.Information, near 1e-12 [| for n in order -> one.Information[n] |])
    Assert.That(Seq.toArray other.MeanVariances, near 1e-12 (Seq.toArray one.MeanVariances))
    Assert.That(other.MutualInformation.Value, within 1e-12 one.MutualInformation.Value)

[<Test>]
let ``the number of threads does not change a bit`` () =
    let model, x, lambda = exact cpu 5UL 300

    let run threads =
        withThreads threads (fun () ->
            let result = diagnose model x lambda 3
            [| result.Kl; result.Information; result.MeanVariances |] |> Array.map (Seq.toArray >> bits))

    Assert.That(run 2, equalTo (run 1))

[<Test>]
let ``samples in several pieces, and the error that they have`` () =
    let model, x, lambda = exact reference 6UL 30

    let runs =
        [| for seed in 1UL .. 200UL ->
               PosteriorDiagnostics.Compute(model, FactorizedGaussian(reference, 3), x, lambda, 300, stream seed) |]

    let estimates = runs |> Array.map _.MutualInformation.Value
    let mean, error = meanAndError estimates
    // The spread of 200 runs has a relative standard error of 5 %.
    let spread = error * sqrt (float runs.Length)
    Assert.That(runs |> Array.averageBy _.MutualInformationError, within (0.2 * spread) spread)
    // Fewer samples estimate the same.
    let few =
        [| for seed in 1UL .. 400UL ->
               (PosteriorDiagnostics.Compute(
                   model,
                   FactorizedGaussian(reference, 3),
                   x,
                   lambda,
                   2,
                   stream (1000UL + seed)
               ))
                   .MutualInformation.Value |]

    agrees "difference" 0.0 (fst (meanAndError few) - mean, sqrt (snd (meanAndError few) ** 2.0 + error ** 2.0))

[<Test>]
let ``a family of unknown density has sampled divergences and units, and no information`` () =
    let model, x, lambda = exact reference 7UL 400
    let known = diagnose model x lambda 2

    let sampled =
        PosteriorDiagnostics.Compute(
            model,
            Undescribed(FactorizedGaussian(reference, 3), reference),
            x,
            lambda,
            20,
            stream 9UL
        )

    agrees "mean KL" known.MeanKl (sampled.MeanKl, sampled.MeanKlError)
    Assert.That(sampled.MeanKlError, Is.GreaterThan 0.0)
    Assert.That(sampled.MutualInformation, Is.Null)
    Assert.That(sampled.MarginalKl, Is.Null)
    Assert.That(sampled.Information, Is.Null)
    Assert.That(sampled.MutualInformationError, Is.NaN)
    // Without its correction the third unit would have a variance of 1/20.
    Assert.That(sampled.ActiveUnits, equalTo 2)

    for j in 0..2 do
        Assert.That(sampled.MeanVariances[j], within 0.1 known.MeanVariances[j])

[<Test>]
let ``what cannot be diagnosed is refused`` () =
    let model, x, lambda = exact reference 8UL 3
    let run (x: Observations) lambda samples () = diagnose model x lambda samples |> ignore
    Assert.That(messageOf<ShapeException>(run (x.Select(ReadOnlySpan [| 0 |])) lambda 1), Does.Contain "1 datapoints")
    Assert.That(messageOf<GapLabException>(run x lambda 0), Does.Contain "1 sample")
    let broken = lambda[0].ToArray()
    broken[4] <- nan
    let bad = LocalParameters [| Tensor.Create(reference, Shape(3, 3), ReadOnlySpan broken); lambda[1] |]
    Assert.That(messageOf<GapLabException>(run x bad 2), Does.Contain "not finite")
    let single = diagnose model x lambda 1
    Assert.That(single.MutualInformationError, Is.NaN)
    Assert.That(single.MutualInformation.Value, Is.GreaterThan -10.0)
