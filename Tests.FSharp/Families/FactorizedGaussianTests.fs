module GapLab.Tests.Families.FactorizedGaussianTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Tests.Models.ModelFixtures

let private model = correlated reference

[<Property(MaxTest = 50)>]
let ``the log-density that comes with a sample is the normal density at that sample`` (seed: uint64) =
    use _scope = MemoryScope.Enter()
    let s = stream seed
    let mean, logVar = Array.init 3 (fun j -> s.Normal(int64 j)), Array.init 3 (fun j -> s.At(1).Normal(int64 j))
    let lambda = LocalParameters [| matrixOf reference [| mean |]; matrixOf reference [| logVar |] |]

    let q =
        FactorizedGaussian(reference, 3).Sample(lambda, model, Noise(repeated reference 1 (Array.zeroCreate 4), s, 5))

    let z, logQ = q.Latents[0].ToArray(), q.LogDensity.ToArray()

    Seq.forall
        (fun i ->
            let term j =
                log (2.0 * Math.PI) + logVar[j] + (z[3 * i + j] - mean[j]) ** 2.0 / exp logVar[j]

            abs (logQ[i] + 0.5 * Seq.sumBy term [ 0..2 ]) < 1e-10)
        [ 0..4 ]

[<Test>]
let ``samples have the mean and variance of λ, in blocks of one datapoint after the other`` () =
    use _scope = MemoryScope.Enter()

    let lambda =
        LocalParameters
            [| matrixOf cpu [| [| 1.0; -2.0 |]; [| 0.5; 3.0 |] |]
               matrixOf cpu [| [| log 0.25; log 4.0 |]; [| 0.0; log 0.01 |] |] |]

    let samples = 20000

    let q =
        FactorizedGaussian(cpu, 2).Sample(lambda, golden cpu, Noise(repeated cpu 2 [| 0.0 |], stream 1UL, samples))

    Assert.That(q.Latents[0].Shape, equalTo (Shape(2, samples, 2)))
    Assert.That(q.LogDensity.Shape, equalTo (Shape(2, samples)))
    let z = q.Latents[0].ToArray()

    for row, column, mean, variance in [ 0, 0, 1.0, 0.25; 0, 1, -2.0, 4.0; 1, 0, 0.5, 1.0; 1, 1, 3.0, 0.01 ] do
        let own = Array.init samples (fun i -> z[(row * samples + i) * 2 + column])
        agrees "mean" mean (meanAndError own)
        agrees "variance" variance (meanAndError (Array.map (fun v -> (v - mean) ** 2.0) own))

[<Test>]
let ``optimisation starts at the standard normal`` () =
    let lambda = FactorizedGaussian(cpu, 3).InitialLocalParameters 2
    Assert.That(lambda.Count, equalTo 2)
    Assert.That(lambda[0].ToArray(), equalTo (Array.zeroCreate<float> 6))
    Assert.That(lambda[1].ToArray(), equalTo (Array.zeroCreate<float> 6))

[<Test>]
let ``selected local parameters are the rows asked for`` () =
    let lambda =
        LocalParameters
            [| matrixOf cpu [| [| 1.0 |]; [| 2.0 |]; [| 3.0 |] |]
               matrixOf cpu [| [| 4.0; 5.0 |]; [| 6.0; 7.0 |]; [| 8.0; 9.0 |] |] |]

    let chosen = lambda.Select(ReadOnlySpan [| 2; 0; 2 |])
    Assert.That(chosen[0].ToArray(), equalTo [| 3.0; 1.0; 3.0 |])
    Assert.That(chosen[1].ToArray(), equalTo [| 8.0; 9.0; 4.0; 5.0; 8.0; 9.0 |])

[<Test>]
let ``blocks of different numbers of datapoints are refused`` () =
    let message =
        messageOf<ShapeException>(fun () ->
            LocalParameters [| matrixOf cpu [| [| 1.0 |] |]; matrixOf cpu [| [| 4.0 |]; [| 6.0 |] |] |] |> ignore)

    Assert.That(message, Does.Contain("[1, 1]").And.Contains("[2, 1]"))

[<Test>]
let ``the divergence of two q's is that of their samples' log-densities, level by level`` () =
    use _scope = MemoryScope.Enter()
    let family = FactorizedGaussian(reference, 2, 3)
    let s = stream 8UL

    let lambda lane =
        LocalParameters
            [| for i, size in List.indexed [ 2; 2; 3; 3 ] ->
                   matrixOf
                       reference
                       [| for row in 0..1 -> Array.init size (fun j -> 0.6 * s.At(row, i, lane).Normal(int64 j)) |] |]

    let p, q = lambda 0, lambda 1
    let noise = Noise(observe reference (Array.replicate 2 [| 0.0 |]), s, 4000)
    let exact = family.Divergence(p, q, golden reference, noise).ToArray()
    let samples = family.Sample(p, golden reference, noise)
    let ratios = samples.LogDensity - family.LogDensity(q, golden reference, samples.Latents)

    for row, own in Array.indexed (Array.chunkBySize 4000 (ratios.ToArray())) do
        agrees "divergence" exact[row] (meanAndError own)

    Assert.That(family.Divergence(p, p, golden reference, noise).ToArray(), near 1e-12 [| 0.0; 0.0 |])
