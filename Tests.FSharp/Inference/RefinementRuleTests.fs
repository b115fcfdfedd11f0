/// The training rules of semi-amortized inference, against the definition of each on one tape that holds all steps.
module GapLab.Tests.Inference.RefinementRuleTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tests
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Inference.IterativeFixtures
open GapLab.Tests.Inference.SemiAmortizedFixtures
open GapLab.Tests.Checks

let private elbo = ObjectiveWeights.Elbo
let private annealed = ObjectiveWeights.KlAnnealing 0.3

let private checkAll what tolerance (expected: float[] list) (found: float[] list) =
    for i, (e, f) in List.indexed (List.zip expected found) do
        close $"{what}, parameter {i}" tolerance e f

[<Test>]
let ``the semi-amortized rule gives the derivatives of one tape that holds all steps`` () =
    for steps in [ 0; 1; 5 ] do
        for momentum in [ 0.0; 0.5 ] do
            for weights in [ elbo; annealed ] do
                let options = options steps momentum
                let vae = vaeOf reference options
                let x = data reference

                let value, expected, weighted =
                    use _ = MemoryScope.Enter()
                    let trace = unrolled vae x weights options
                    let value = (objectiveAt vae x weights options.Samples None).Value(List.last trace)

                    let sum =
                        if steps = 0 then
                            value.Mean()
                        else
                            let first = (objectiveAt vae x weights options.Samples (Some 0)).Value(List.head trace)
                            value.Mean() + 0.4 * first.Mean()

                    value.ToArray(), gradientOf (value.Mean()) vae.Parameters, gradientOf sum vae.Parameters

                let found, gradients = train (SemiAmortizedGradient()) vae x weights
                close "values" 1e-12 value found
                checkAll $"{steps} steps, momentum {momentum}" 1e-10 expected gradients
                let earlier = if steps = 0 then [||] else [| 0.4 |]

                train (SemiAmortizedGradient(earlier = earlier)) vae x weights
                |> snd
                |> checkAll "weighted sum" 1e-10 weighted

                for product, tolerance in [ HessianProduct.Central, 1e-7; HessianProduct.OneSided, 1e-4 ] do
                    train (SemiAmortizedGradient product) vae x weights
                    |> snd
                    |> checkAll $"{product}" tolerance expected

[<TestCase(0, 0.0)>]
[<TestCase(0, 0.5)>]
[<TestCase(1, 0.0)>]
[<TestCase(1, 0.5)>]
[<TestCase(5, 0.0)>]
[<TestCase(5, 0.5)>]
let ``and those that finite differences of the whole inference have`` (steps: int, momentum: float) =
    let options = options steps momentum
    let vae = vaeOf reference options
    let x = data reference

    let loss () =
        use _ = MemoryScope.Enter(record = false)
        let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, noise.Fork 1UL, step).Final
        (objectiveAt vae x elbo options.Samples None).Value(lambda).Mean().ToDouble()

    let _, gradients = train (SemiAmortizedGradient()) vae x elbo

    for parameter, gradient in Seq.zip vae.Parameters gradients do
        let before = parameter.ToArray()

        for i in [ 0; before.Length / 2; before.Length - 1 ] |> List.distinct do
            let at shift =
                let values = before |> Array.mapi (fun j v -> if j = i then v + shift else v)
                parameter.Assign(Tensor.Create(reference, parameter.Shape, values))
                loss ()

            let difference = (at 1e-5 - at -1e-5) / 2e-5
            at 0.0 |> ignore
            near 1e-8 difference gradient[i]

/// θ's gradient at the last point of a trace, taken as constant, and φ's of a function of λ_0 and λ_K.
let private direct (vae: Vae) x options (target: (LocalParameters -> LocalParameters -> Tensor) option) =
    use scope = MemoryScope.Enter()
    let trace = unrolled vae x annealed options
    let constant (lambda: LocalParameters) = LocalParameters [| for b in lambda.Blocks -> scope.Copy b |]
    let final = constant (List.last trace)
    let value = (objectiveAt vae x annealed options.Samples None).Value final
    let theta = gradientOf (value.Mean()) vae.Model.Parameters

    value.ToArray(),
    match target with
    | None -> theta
    | Some target -> theta @ gradientOf (target (startOf vae x) final) vae.Inference.Parameters

[<Test>]
let ``the other rules take the last point as constant, and train the encoder at the first`` () =
    let x = data reference

    for steps in [ 1; 4 ] do
        let options = options steps 0.5
        let vae = vaeOf reference options

        let kl (a: LocalParameters) (b: LocalParameters) =
            let variance (lambda: LocalParameters) = lambda[1].Exp()

            0.5 * (b[1] - a[1] + (variance a + (a[0] - b[0]).Square()) / variance b - 1.0).Sum(1)

        for target, direct in
            [ EncoderTarget.Elbo,
              direct
                  vae
                  x
                  options
                  (Some(fun start _ -> (objectiveAt vae x annealed options.Samples (Some 0)).Value(start).Mean()))
              EncoderTarget.Divergence, direct vae x options (Some(fun start final -> -(kl start final).Mean()))
              EncoderTarget.ReverseDivergence, direct vae x options (Some(fun start final -> -(kl final start).Mean())) ] do
            let value, gradients = train (RefinedGradient target) vae x annealed
            close "values" 1e-12 (fst direct) value
            checkAll $"{target}" 1e-10 (snd direct) gradients

        let svi = vaeFrom (fixedStart 0.1) reference options
        let value, expected = direct svi x options None
        let found, gradients = train (RefinedGradient EncoderTarget.None) svi x annealed
        close "values" 1e-12 value found
        checkAll "SVI" 1e-10 expected gradients

[<Test>]
let ``without steps the rules are the variational autoencoder, to the bit`` () =
    for device in [ reference; cpu ] do
        let options = SemiAmortizedOptions(Iterations = 0)
        let vae = vaeOf device options
        let x = data device
        let plain = Vae(vae.Model, vae.Family, encoderOf vae.Family device)
        let value, gradients = train (JointGradient()) plain x annealed

        for rule in [ SemiAmortizedGradient() :> TrainingRule; RefinedGradient EncoderTarget.Elbo; JointGradient() ] do
            let found, ours = train rule vae x annealed
            equal (bits value) (bits found)

            for e, f in List.zip gradients ours do
                equal (bits e) (bits f)

        equal (trace plain x) (trace vae x)

[<Test>]
let ``gradients are the same bits for any number of threads`` () =
    let vae = vaeOf cpu (SemiAmortizedOptions(Iterations = 3))
    let x = data cpu

    for rule in [ SemiAmortizedGradient() :> TrainingRule; RefinedGradient EncoderTarget.Divergence ] do
        let bitsWith threads =
            withThreads threads (fun () -> train rule vae x annealed |> snd |> List.map bits)

        equal (bitsWith 1) (bitsWith 2)

[<Test>]
let ``memory does not grow with the number of steps, but for the points of the trace`` () =
    let peak steps =
        let vae = vaeOf cpu (SemiAmortizedOptions(Iterations = steps))
        let x = data cpu
        let run () = train (SemiAmortizedGradient()) vae x elbo |> ignore
        run ()
        GC.Collect()
        GC.WaitForPendingFinalizers()
        cpu.ResetPeak()
        let before = cpu.AllocatedBytes
        run ()
        cpu.PeakBytes - before

    equal (peak 5) (peak 50)

[<Test>]
let ``a rule on inference that it is not for is refused`` () =
    let x = data reference
    let refined = vaeOf reference (options 2 0.5)
    let svi = vaeFrom (fixedStart 0.0) reference (options 2 0.5)
    let plain = Vae(refined.Model, refined.Family, encoderOf refined.Family reference)
    let refuses words rule vae = throws<GapLabException> words (fun () -> train rule vae x elbo |> ignore)
    refuses [ "cannot train"; "semi-amortized inference" ] (SemiAmortizedGradient()) plain
    refuses [ "VAE+SVI"; "cannot train" ] (RefinedGradient EncoderTarget.Elbo) plain
    refuses [ "'SVI'"; "without an encoder" ] (RefinedGradient EncoderTarget.None) refined
    refuses [ "'VAE+SVI+KL'"; "with an encoder" ] (RefinedGradient EncoderTarget.Divergence) svi
    refuses [ "variational autoencoder"; "SemiAmortizedGradient" ] (JointGradient()) refined
    refuses [ "3 ELBOs"; "2 steps" ] (SemiAmortizedGradient(earlier = [| 1.0; 0.0; 1.0 |])) refined
    throws<GapLabException> [ "weights"; "-1" ] (fun () -> SemiAmortizedGradient(earlier = [| -1.0 |]) |> ignore)

    throws<GapLabException> [ "schedule"; "epoch" ] (fun () ->
        RefinedGradient(EncoderTarget.Elbo, StepSchedule(3, 1, 0)) |> ignore)

[<Test>]
let ``the number of steps may change over the epochs of training`` () =
    let schedule = StepSchedule(6, 2, 4)
    equal [ 6; 5; 4; 3; 2; 2; 2 ] [ for epoch in 0..6 -> schedule.At epoch ]
    let vae = vaeOf reference (options 4 0.5)
    let x = data reference

    for rule, plain in
        [ SemiAmortizedGradient(steps = schedule) :> TrainingRule, SemiAmortizedGradient() :> TrainingRule
          RefinedGradient(EncoderTarget.Elbo, schedule), RefinedGradient EncoderTarget.Elbo ] do
        for epoch, steps in [ 0, 6; 2, 4; 9, 2 ] do
            let method = (vae.Inference :?> SemiAmortized).WithIterations steps
            let expected = train plain (Vae(vae.Model, vae.Family, method)) x elbo
            equal expected (train (rule.At epoch) vae x elbo)

[<Test>]
let ``running averages are moved by the final objective alone`` () =
    let newVae () =
        let model =
            HierarchicalModel(
                cpu,
                [| latentSize |],
                [| LevelLayers([| 4 |]) |],
                dataSize,
                activation,
                OutputKind.Bernoulli,
                stream 4UL,
                batchNormalization = true
            )

        let family = FactorizedGaussian(cpu, latentSize)
        Vae(model, family, SemiAmortized(encoderOf family cpu, options 3 0.5))

    let averages (vae: Vae) =
        [ for name, value in Seq.zip vae.ParameterNames vae.Parameters do
              if name.Contains ".norm.mean" || name.Contains ".norm.variance" then
                  bits (value.ToArray()) ]

    let x = data cpu
    let expected = newVae ()

    (use _ = MemoryScope.Enter()
     let training = expected.InTraining()
     let lambda = training.Inference.Infer(training.Model, training.Family, x, noise.Fork 1UL, step).Final
     (objectiveAt training x elbo 2 None).Value lambda |> ignore)

    holds "they move" (averages expected <> averages (newVae ()))

    for rule in [ SemiAmortizedGradient() :> TrainingRule; RefinedGradient EncoderTarget.Elbo ] do
        let vae = newVae ()
        train rule vae x elbo |> ignore
        equal (averages expected) (averages vae)

[<Test>]
let ``training with every rule raises the bound`` () =
    for rule, start in
        [ SemiAmortizedGradient() :> TrainingRule, encoderOf
          RefinedGradient EncoderTarget.Elbo, encoderOf
          RefinedGradient EncoderTarget.Divergence, encoderOf
          RefinedGradient EncoderTarget.None, fixedStart 0.0 ] do
        let vae = vaeFrom start cpu (SemiAmortizedOptions(Iterations = 5, BatchSize = 3))
        let x = data cpu
        let adam = Adam(vae.Parameters, AdamOptions(LearningRate = 1e-2))

        let values =
            [ for i in 1..150 ->
                  use _ = MemoryScope.Enter()
                  let gradients = Array.zeroCreate vae.Parameters.Count
                  let value = rule.Gradients(vae.InTraining(), x, noise, i, elbo, Span gradients)
                  adam.Ascend gradients
                  value.Mean().ToDouble() ]

        let first, last = List.average values[..19], List.average values[130..]
        holds $"{rule.Name}: {last} exceeds {first} by more than half a nat" (last > first + 0.5)

[<Test>]
let ``with a fixed model the encoder gets the same gradients, and the model none`` () =
    let x = data reference

    for rule, fixedRule in
        [ SemiAmortizedGradient() :> TrainingRule, SemiAmortizedGradient(trainsModel = false) :> TrainingRule
          RefinedGradient EncoderTarget.Elbo, RefinedGradient(EncoderTarget.Elbo, trainsModel = false)
          RefinedGradient EncoderTarget.Divergence, RefinedGradient(EncoderTarget.Divergence, trainsModel = false) ] do
        let vae = vaeOf reference (options 3 0.5)
        let _, all = train rule vae x elbo
        let ofModel = vae.Model.Parameters.Count
        equal [ ofModel .. vae.Parameters.Count - 1 ] (List.ofSeq (fixedRule.Trained vae))
        use _ = MemoryScope.Enter()
        let gradients = Array.zeroCreate (vae.Parameters.Count - ofModel)
        fixedRule.Gradients(vae.InTraining(), x, noise, step, elbo, Span gradients) |> ignore
        checkAll fixedRule.Name 1e-12 (List.skip ofModel all) [ for gradient in gradients -> gradient.ToArray() ]

    let svi = vaeFrom (fixedStart 0.0) reference (options 2 0.5)
    equal [] (List.ofSeq ((RefinedGradient(EncoderTarget.None, trainsModel = false)).Trained svi))
