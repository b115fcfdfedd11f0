module GapLab.Tests.Inference.SemiAmortizedTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Inference.IterativeFixtures
open GapLab.Tests.Inference.SemiAmortizedFixtures
open GapLab.Tests.Checks

let private clipped scope =
    SemiAmortizedOptions(Iterations = 4, StepSize = 2.0, BatchSize = 2, Clip = Nullable 0.3, Scope = scope)

[<Test>]
let ``a datapoint's trace does not depend on its batch, with clipping or without`` () =
    for options in [ options 4 0.5; clipped ClipScope.Batch ] do
        for start in [ encoderOf; fixedStart 0.1 ] do
            let vae = vaeFrom start cpu options
            let x = data cpu
            let together = trace vae x

            for row in 0 .. points - 1 do
                let alone = trace vae (x.Select(ReadOnlySpan [| row |]))

                for blocks, own in List.zip together alone do
                    for block, one in List.zip blocks own do
                        equal (bits block[row * latentSize .. (row + 1) * latentSize - 1]) (bits one)

[<Test>]
let ``a batch larger than those of training gets the same bits in pieces as whole`` () =
    for options in [ options 3 0.5; clipped ClipScope.Batch ] do
        let vae = vaeOf cpu options
        let x = data cpu
        holds "there are several pieces" (x.Count > options.BatchSize)

        // Where a tape is kept, the batch stays whole.
        let traceWith isRecorded =
            use _ = MemoryScope.Enter(record = isRecorded)

            [ for lambda in (vae.Inference.Infer(vae.Model, vae.Family, x, noise, step)).Points do
                  for block in lambda.Blocks -> block.Shape, bits (block.ToArray()) ]

        equal (traceWith true) (traceWith false)

[<Test>]
let ``in training the norm is the batch's, if one likes`` () =
    let gradientsOf scope (x: Observations) =
        let vae = vaeOf reference (clipped scope)
        fst (train (SemiAmortizedGradient()) vae x ObjectiveWeights.Elbo)

    let x = data reference
    let first = x.Select(ReadOnlySpan [| 0 |])
    let dependsOnBatch scope = (gradientsOf scope x)[0] <> (gradientsOf scope first)[0]
    holds "the batch's norm" (dependsOnBatch ClipScope.Batch)
    holds "the datapoint's norm" (not (dependsOnBatch ClipScope.Datapoint))

[<Test>]
let ``more steps go on from fewer, from another start as well`` () =
    let vae = vaeOf cpu (options 3 0.5)
    let method = vae.Inference :?> SemiAmortized
    let x = data cpu
    use _ = MemoryScope.Enter(record = false)
    let infer (method: InferenceMethod) = method.Infer(vae.Model, vae.Family, x, noise, step)
    let short, long = infer method, infer (method.WithIterations 8)
    equal 9 long.Points.Count

    for k in 0..3 do
        for a, b in Seq.zip short.Points[k].Blocks long.Points[k].Blocks do
            equal (bits (a.ToArray())) (bits (b.ToArray()))

    let warm = method.Infer(vae.Model, vae.Family, x, noise, step, short.Final)
    equal (bits (short.Final[0].ToArray())) (bits (warm.Points[0].[0].ToArray()))
    holds "it moves" (bits (warm.Final[0].ToArray()) <> bits (short.Final[0].ToArray()))

[<Test>]
let ``a step goes along the ELBO's own gradient, over the batch size of the settings`` () =
    let options = options 1 0.5
    let vae = vaeFrom (fixedStart 0.0) reference options
    let x = data reference

    let expected =
        use _ = MemoryScope.Enter()
        let found = Array.zeroCreate 2
        let start = vae.Family.InitialLocalParameters points
        // Inference is given the stream itself; a training step forks it once more.
        let drawn = Noise(x, (SemiAmortized.StepNoiseOf noise).Fork 0UL, options.Samples, step)

        ElboObjective(vae.Model, vae.Family, x, drawn, ObjectiveWeights.Elbo, KlForm.Analytic)
            .Gradient(start, Span found)
        |> ignore

        [ for g in found -> g.ToArray() |> Array.map (fun v -> 1.5 / 2.0 * v) ]

    match trace vae x with
    | [ start; first ] ->
        for block in start do
            close "N(0, I)" 0.0 (Array.zeroCreate block.Length) block

        for e, f in List.zip expected first do
            close "λ_1" 1e-12 e f
    | other -> Assert.Fail $"{other.Length} points instead of 2."

[<Test>]
let ``noise of the start belongs to the datapoint and has the scale asked for`` () =
    let family = FactorizedGaussian(cpu, 50) :> VariationalFamily
    let rows = Array.replicate 40 (Array.zeroCreate<float> dataSize)

    let starts noiseScale indices =
        use _ = MemoryScope.Enter(record = false)
        let x = observeAs cpu indices rows[.. Array.length indices - 1]
        let vae = vaeOf cpu (options 0 0.0)
        [ for b in FixedStart(cpu, noiseScale).Infer(vae.Model, family, x, noise, 0).Final.Blocks -> b.ToArray() ]

    let all = starts 0.1 [| 0..39 |]

    for block, alone in List.zip all (starts 0.1 [| 17 |]) do
        equal (bits block[17 * 50 .. 18 * 50 - 1]) (bits alone)
        let mean, error = meanAndError (block |> Array.map (fun v -> v * v))
        agrees "the variance" 0.01 (mean, error)

    holds "blocks have noise of their own" (all[0] <> all[1])
    equal [ Array.zeroCreate 100; Array.zeroCreate 100 ] (starts 0.0 [| 3; 4 |])
    throws<GapLabException> [ "noise"; "-1" ] (fun () -> FixedStart(cpu, -1.0) |> ignore)

[<Test>]
let ``steps raise the ELBO of an untrained encoder's λ`` () =
    let vae = vaeOf cpu (SemiAmortizedOptions(Iterations = 20, BatchSize = 20))
    let x = data cpu

    let elbos =
        use _ = MemoryScope.Enter(record = false)
        let trace = vae.Inference.Infer(vae.Model, vae.Family, x, noise, step)

        [ for point in trace.Points ->
              ElboObjective(vae.Model, vae.Family, x, Noise(x, stream 3UL, 500), ObjectiveWeights.Elbo, KlForm.Analytic)
                  .Value(point)
                  .Mean()
                  .ToDouble() ]

    holds $"{elbos[0]} < {elbos[10]} < {elbos[20]}" (elbos[0] + 0.01 < elbos[10] && elbos[10] < elbos[20])

[<Test>]
let ``a gradient that is not finite stops inference and training with its name and step`` () =
    let vae = vaeOf reference (options 2 0.5)
    vae.Model.Parameters[2].Assign(vae.Model.Parameters[2] * infinity)
    let x = data reference
    let words = [ "'mean'"; "iteration 1"; "smaller step size" ]
    throws<GapLabException> words (fun () -> trace vae x |> ignore)

    throws<GapLabException> words (fun () -> train (SemiAmortizedGradient()) vae x ObjectiveWeights.Elbo |> ignore)
