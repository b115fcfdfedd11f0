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
open GapLab.Tests.Checks

let private dataSize, latentSize, points = 5, 2, 3

let private data device =
    observe device (Array.init points (fun i -> Array.init dataSize (fun j -> float ((i * 3 + j * 5 + i * j) % 2))))

let private vaeOf device (options: IterativeOptions) =
    let init = stream 4UL

    let model =
        DenseModel(device, latentSize, [| 4 |], dataSize, Activation.Tanh, OutputKind.Bernoulli, init.Fork 1UL)

    let family = FactorizedGaussian(device, latentSize)
    Vae(model, family, Iterative(model, family, dataSize, options, init.Fork 2UL))

let private tiny = IterativeOptions(Iterations = 3, Hidden = [| 6; 6 |], Samples = 2)

let private noise = stream 9UL

/// The trace of a batch, as numbers.
let private trace (vae: Vae) (x: Observations) =
    use _ = MemoryScope.Enter(record = false)
    let trace = vae.Inference.Infer(vae.Model, vae.Family, x, noise, 7)
    [ for lambda in trace.Points -> [ for block in lambda.Blocks -> block.ToArray() ] ]

/// The gradients of a rule, as numbers.
let private gradients (rule: TrainingRule) (vae: Vae) (x: Observations) =
    use _ = MemoryScope.Enter()
    let gradients = Array.zeroCreate vae.Parameters.Count
    let value = rule.Gradients(vae, x, noise, 7, ObjectiveWeights.Elbo, Span gradients)
    equal (Shape x.Count) value.Shape
    [ for gradient in gradients -> gradient.ToArray() ]

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
        let trace = vae.Inference.Infer(vae.Model, vae.Family, x, noise, 7)

        let elbo (t: int) =
            let drawn = Noise(x, noise.Fork(uint64 t), options.Samples, 7)

            ElboObjective(vae.Model, vae.Family, x, drawn, ObjectiveWeights.Elbo, KlForm.Analytic)
                .Value(trace.Points[t])
                .Mean()

        let elbos = [ for t in 1 .. options.Iterations -> elbo t ]
        let average = (elbos |> List.reduce (+)) / float options.Iterations
        let model = vae.Model.Parameters.Count

        let ofTensor (value: Tensor) first (parameters: Tensor seq) =
            let parameters = parameters |> Seq.skip first |> Seq.toArray
            let found = Array.zeroCreate parameters.Length
            Gradient.Of(value, ReadOnlySpan parameters, Span found)
            [ for gradient in found -> gradient.ToArray() ]

        [ for theta, value in [ ThetaGradient.LastIteration, List.last elbos; ThetaGradient.Average, average ] ->
              theta, ofTensor value 0 vae.Model.Parameters @ ofTensor average model vae.Parameters ]

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

[<Test>]
let ``a recurrent network is trained through time`` () =
    // Seeing only the data, and without gates, the network's state is all that leads from one iteration to the next: the rule gives whole derivatives.
    let vae =
        vaeOf
            reference
            (IterativeOptions(
                Iterations = 3,
                Hidden = [| 4 |],
                Recurrent = true,
                Update = IterativeUpdate.Direct,
                Gradients = GradientEncoding.None,
                Estimates = false
            ))

    let x = data reference

    let objective () =
        use _ = MemoryScope.Enter(record = false)
        let trace = vae.Inference.Infer(vae.Model, vae.Family, x, noise, 7)

        [ for t in 1..3 ->
              let drawn = Noise(x, noise.Fork(uint64 t), 1, 7)

              ElboObjective(vae.Model, vae.Family, x, drawn, ObjectiveWeights.Elbo, KlForm.Analytic)
                  .Value(trace.Points[t])
                  .Mean()
                  .ToDouble() ]
        |> List.average

    let found = gradients (IterativeGradient ThetaGradient.Average) vae x

    for parameter, gradient in Seq.zip vae.Parameters found do
        let before = parameter.ToArray()

        for i in [ 0; before.Length / 2; before.Length - 1 ] |> List.distinct do
            let at shift =
                parameter.Assign(
                    Tensor.Create(
                        reference,
                        parameter.Shape,
                        before |> Array.mapi (fun j v -> if j = i then v + shift else v)
                    )
                )

                objective ()

            let difference = (at 1e-5 - at -1e-5) / 2e-5
            at 0.0 |> ignore
            near 1e-7 difference gradient[i]

[<Test>]
let ``memory does not grow with the number of iterations`` () =
    let peak iterations =
        let vae = vaeOf cpu (IterativeOptions(Iterations = iterations, Hidden = [| 64; 64 |]))
        let x = data cpu
        gradients (IterativeGradient()) vae x |> ignore
        GC.Collect()
        GC.WaitForPendingFinalizers()
        cpu.ResetPeak()
        let before = cpu.AllocatedBytes
        gradients (IterativeGradient()) vae x |> ignore
        cpu.PeakBytes - before

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
