module GapLab.Tests.Inference.IterativeTests

open System
open NUnit.Framework
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Inference.IterativeFixtures
open GapLab.Tests.Checks

let private latentSize = 2

let private vaeOf device (options: IterativeOptions) =
    let init = stream 4UL

    let model =
        DenseModel(device, latentSize, [| 4 |], dataSize, Activation.Tanh, OutputKind.Bernoulli, init.Fork 1UL)

    let family = FactorizedGaussian(device, latentSize)
    Vae(model, family, Iterative(model, family, dataSize, options, init.Fork 2UL))

let private tiny = IterativeOptions(Iterations = 3, Hidden = [| 6; 6 |], Samples = 2)

/// All combinations of what a network can see, but for nothing at all.
type private Settings =
    static member Options() =
        ArbMap.defaults
        |> ArbMap.generate<bool * bool * bool>
        |> Gen.zip (
            Gen.zip
                (Gen.elements (Enum.GetValues<GradientEncoding>()))
                (Gen.zip
                    (Gen.elements (Enum.GetValues<ErrorEncoding>()))
                    (Gen.elements (Enum.GetValues<ErrorEncoding>())))
        )
        |> Gen.zip (Gen.elements (Enum.GetValues<IterativeUpdate>()))
        |> Gen.map (fun (update, ((gradients, (bottomUp, topDown)), (data, estimates, highway))) ->
            IterativeOptions(
                Iterations = 3,
                Samples = 2,
                Hidden = [| 6; 6 |],
                Highway = highway,
                Update = update,
                Data = (data || not estimates),
                Gradients = gradients,
                BottomUpErrors = bottomUp,
                TopDownErrors = topDown,
                Estimates = estimates
            ))
        |> Arb.fromGen

[<Property(Arbitrary = [| typeof<Settings> |], MaxTest = 40)>]
let ``iterations that are differentiated one by one give the gradients of the whole trace``
    (options: IterativeOptions)
    =
    let vae = vaeOf reference options
    let x = data reference

    let whole =
        use _ = MemoryScope.Enter()
        let elbos = elbos vae x options
        let average = (elbos |> List.reduce (+)) / float options.Iterations

        [ for theta, value in [ ThetaGradient.LastIteration, List.last elbos; ThetaGradient.Average, average ] ->
              theta,
              gradientOf value vae.Model.Parameters
              @ gradientOf average (Seq.skip vae.Model.Parameters.Count vae.Parameters) ]

    for theta, expected in whole do
        for e, g in List.zip expected (gradients (IterativeGradient theta) vae x) do
            close $"{theta}" 1e-10 e g

[<Property(Arbitrary = [| typeof<Settings> |], MaxTest = 20)>]
let ``a datapoint's trace does not depend on its batch`` (options: IterativeOptions) =
    let vae = vaeOf reference options
    let x = data reference
    let together = trace vae x

    for row in 0 .. points - 1 do
        let alone = trace vae (x.Select(ReadOnlySpan [| row |]))

        for blocks, own in List.zip together alone do
            for block, one in List.zip blocks own do
                equal (bits block[row * latentSize .. (row + 1) * latentSize - 1]) (bits one)

[<Test>]
let ``one direct iteration that sees the data only is the standard VAE`` () =
    let options =
        IterativeOptions(
            Iterations = 1,
            Hidden = [| 6 |],
            Update = IterativeUpdate.Direct,
            Gradients = GradientEncoding.None,
            Estimates = false
        )

    let iterative = vaeOf reference options
    let family = iterative.Family
    let encoder = Amortized(family, reference, dataSize, [| 6 |], Activation.Elu, stream 1UL)

    for parameter, value in Seq.zip encoder.Parameters iterative.Inference.Parameters do
        parameter.Assign value

    let standard = Vae(iterative.Model, family, encoder)
    // The iterative network sees x - 1/2; its first iteration draws from the fork 1.
    let x = data reference
    let shifted = DenseObservations(((x :?> DenseObservations).Values - 0.5).ToOwned())
    equal [ List.last (trace iterative x) ] (trace standard shifted)

    let expected =
        use _ = MemoryScope.Enter()
        let lambda = standard.Inference.Infer(standard.Model, family, shifted, noise, 7).Final
        let drawn = Noise(x, noise.Fork 1UL, 1, 7)

        let value =
            ElboObjective(standard.Model, family, x, drawn, ObjectiveWeights.Elbo, KlForm.Analytic).Value(lambda).Mean()

        let found = Array.zeroCreate standard.Parameters.Count
        Gradient.Of(value, ReadOnlySpan(Seq.toArray standard.Parameters), Span found)
        [ for gradient in found -> gradient.ToArray() ]

    for e, g in List.zip expected (gradients (IterativeGradient()) iterative x) do
        close "gradients" 1e-12 e g

[<TestCase(ErrorEncoding.Plain)>]
[<TestCase(ErrorEncoding.Weighted)>]
let ``one iteration that sees errors from a constant start is a standard encoder`` (errors: ErrorEncoding) =
    // Marino et al. (2018), section 4.2: with a constant q₀ and prior, the latent error is constant and the data error affine in x. That is said of infinitely many samples; for any
    // number it holds of data that see the same ones.
    let options =
        IterativeOptions(
            Iterations = 1,
            Samples = 3,
            Hidden = [| 6 |],
            Update = IterativeUpdate.Direct,
            Data = false,
            Gradients = GradientEncoding.None,
            BottomUpErrors = errors,
            TopDownErrors = errors
        )

    let iterative = vaeOf reference options
    let random = Random 3
    let rows = Array.init 4 (fun _ -> Array.init dataSize (fun _ -> float (random.Next 2)))
    let x = observeAs reference (Array.create rows.Length 5) rows

    // e_x = a x + b and the constant e_z, from the samples of the first look.
    let scale, shift, latent =
        use _ = MemoryScope.Enter(record = false)
        let z = Noise(x, noise.Fork 0UL, options.Samples, 7).Normal latentSize
        let means = (iterative.Model.Output(Latents [| z |], x)).Mean.ToArray() |> Array.chunkBySize dataSize
        let samples = Array.take options.Samples means

        let average f =
            Array.init dataSize (fun d -> samples |> Array.averageBy (fun mean -> f mean[d]))

        let e_z = z.Mean(1).ToArray() |> Array.take latentSize

        match errors with
        | ErrorEncoding.Plain -> Array.create dataSize 1., average (fun mu -> -mu), e_z
        | _ -> average (fun mu -> 1. / (mu * (1. - mu))), average (fun mu -> -1. / (1. - mu)), e_z

    let encoder = Amortized(iterative.Family, reference, dataSize, [| 6 |], Activation.Elu, stream 1UL)
    let network = List.ofSeq iterative.Inference.Parameters
    let seen = network[0].Shape[1]
    let weights = network[0].ToArray() |> Array.chunkBySize seen
    // The start is zero, so what is seen of it has no effect.
    let folded = [| for row in weights -> Array.init dataSize (fun d -> row[d] * scale[d]) |]

    let bias =
        Array.mapi2
            (fun _ (row: float[]) value ->
                value
                + Seq.sum (Seq.init dataSize (fun d -> row[d] * shift[d]))
                + Seq.sum (Seq.init latentSize (fun j -> row[dataSize + j] * latent[j])))
            weights
            (network[1].ToArray())

    let values =
        Tensor.Create(reference, Shape(6, dataSize), ReadOnlySpan(Array.concat folded))
        :: Tensor.Create(reference, Shape 6, ReadOnlySpan bias)
        :: List.skip 2 network

    for parameter, value in Seq.zip encoder.Parameters values do
        parameter.Assign value

    let standard = trace (Vae(iterative.Model, iterative.Family, encoder)) x |> List.last

    for expected, found in List.zip standard (List.last (trace iterative x)) do
        close "λ₁" 1e-10 expected found

[<Test>]
let ``a recurrent network is trained through time`` () =
    let options =
        IterativeOptions(
            Iterations = 3,
            Hidden = [| 4 |],
            Recurrent = true,
            Update = IterativeUpdate.Direct,
            Gradients = GradientEncoding.None,
            Estimates = false
        )

    checkThroughTime (vaeOf reference options) options (data reference)

[<Test>]
let ``memory does not grow with the number of iterations`` () =
    let peak iterations =
        peakOf (vaeOf cpu (IterativeOptions(Iterations = iterations, Hidden = [| 64; 64 |])))

    equal (peak 5) (peak 50)

/// Trains for some steps; the ELBO of each.
let private train steps (vae: Vae) =
    let x = data vae.Model.Device
    let adam = GapLab.Optimization.Adam(vae.Parameters, GapLab.Optimization.AdamOptions(LearningRate = 1e-2))

    [ for i in 1..steps ->
          use _ = MemoryScope.Enter()
          let gradients = Array.zeroCreate vae.Parameters.Count
          let value = IterativeGradient().Gradients(vae, x, noise, i, ObjectiveWeights.Elbo, Span gradients)
          adam.Ascend gradients
          value.Mean().ToDouble() ]

[<Test>]
let ``a trained network stays finite a hundred iterations past its training`` () =
    for update in Enum.GetValues<IterativeUpdate>() do
        let vae = vaeOf cpu (IterativeOptions(Iterations = 5, Hidden = [| 8 |], Update = update))
        train 50 vae |> ignore
        let longer = Vae(vae.Model, vae.Family, (vae.Inference :?> Iterative).WithIterations 105)

        for lambda in trace longer (data cpu) do
            holds "finite" (lambda |> List.forall (Array.forall Double.IsFinite))

[<Test>]
let ``a gradient that is not finite stops inference and training with its name and iteration`` () =
    let vae = vaeOf reference tiny
    vae.Model.Parameters[2].Assign(vae.Model.Parameters[2] * infinity)
    let x = data reference
    let words = [ "Iterative inference"; "'mean'"; "iteration 1" ]
    throws<GapLabException> words (fun () -> trace vae x |> ignore)
    throws<GapLabException> words (fun () -> gradients (IterativeGradient()) vae x |> ignore)

[<Test>]
let ``log-variances stay within their bounds, whatever the network says`` () =
    let vae = vaeOf cpu (IterativeOptions(Iterations = 2, Hidden = [| 8 |], Update = IterativeUpdate.Direct))

    for parameter in vae.Inference.Parameters do
        parameter.Assign(parameter * 100.0)

    let values = trace vae (data cpu) |> List.tail |> List.collect (fun lambda -> List.ofArray lambda[1])
    holds "within 15" (values |> List.forall (fun v -> abs v <= 15.0))
    holds "some at the bound" (values |> List.exists (fun v -> abs v > 14.9))

[<Test>]
let ``iterations go on from where others ended, and a trained network may be applied more often`` () =
    let vae = vaeOf reference tiny
    let method = vae.Inference :?> Iterative
    let x = data reference
    use _ = MemoryScope.Enter(record = false)
    let long = method.WithIterations(8).Infer(vae.Model, vae.Family, x, noise, 7)
    equal 9 long.Points.Count
    let short = method.Infer(vae.Model, vae.Family, x, noise, 7)
    equal (bits (long.Points[3].[0].ToArray())) (bits (short.Final[0].ToArray()))
    let warm = method.Infer(vae.Model, vae.Family, x, noise, 7, short.Final)
    equal (bits (short.Final[1].ToArray())) (bits (warm.Points[0].[1].ToArray()))
    holds "another estimate" (bits (warm.Final[0].ToArray()) <> bits (short.Final[0].ToArray()))

[<Test>]
let ``training raises the ELBO after each iteration`` () =
    let values = vaeOf cpu (IterativeOptions(Iterations = 3, Hidden = [| 16 |])) |> train 200
    let first, last = List.average values[..19], List.average values[180..]
    holds $"{last} exceeds {first} by more than half a nat" (last > first + 0.5)

[<Test>]
let ``settings that cannot work are refused`` () =
    let make options = vaeOf cpu options |> ignore

    throws<GapLabException> [ "nothing" ] (fun () ->
        make (IterativeOptions(Data = false, Estimates = false, Gradients = GradientEncoding.None)))

    throws<GapLabException> [ "0"; "sample" ] (fun () -> make (IterativeOptions(Samples = 0)))
    throws<GapLabException> [ "offset" ] (fun () -> make (IterativeOptions(LogOffset = 0.0)))

    throws<GapLabException> [ "iterative"; "at least one iteration" ] (fun () ->
        gradients (IterativeGradient()) (vaeOf cpu (IterativeOptions(Iterations = 0))) (data cpu) |> ignore)
