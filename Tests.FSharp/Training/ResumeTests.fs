/// Interrupted training, continued from the bytes of a checkpoint.
module GapLab.Tests.Training.ResumeTests

open System
open System.Collections.Generic
open System.Text
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Training
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures

let private glyphs = Synthetic.Glyphs(1UL, 35, 12, 0)
let private sourceOf (images: ImageSet) = ImageSource(cpu, images, Binarization.Threshold())

let private vaeOf latent hidden =
    let init = stream 1UL
    let family = FactorizedGaussian(cpu, latent)
    let model = DenseModel(cpu, latent, [| hidden |], 784, Activation.Elu, OutputKind.Bernoulli, init.Fork 1UL)
    Vae(model, family, Amortized(family, cpu, 784, [| hidden |], Activation.Elu, init.Fork 2UL))

let private newVae () = vaeOf 3 10

/// Three epochs of four batches, the last smaller, in two stages; everything is switched on that has a state.
let private options =
    TrainerOptions(
        Schedule = LearningRateSchedule [| ScheduleStage(1, 1e-2); ScheduleStage(2, 3e-2) |],
        BatchSize = 10,
        ResetMomentsAtStages = true,
        Weights = (fun position -> ObjectiveWeights.EntropyAnnealing(float position.Epoch / 2.0)),
        ValidationSamples = 3,
        Patience = 2,
        KeepBest = true
    )

let private train (options: TrainerOptions) onEpoch onStep checkpointing cancellation (vae: Vae) =
    Trainer(options)
        .Train(vae, sourceOf glyphs.Train, sourceOf glyphs.Validation, onEpoch, onStep, checkpointing, cancellation)

/// All that a run gives, as text in which every bit counts.
let private result (vae: Vae) (outcome: TrainingOutcome) =
    let epochs =
        [ for report in outcome.Curve ->
              let v = report.Validation
              [ report.Objective; v.Elbo; v.Kl; v.Reconstruction; v.Iwae ] |> List.map BitConverter.DoubleToInt64Bits ]

    bitsOf vae.Parameters, epochs, outcome.SelectedEpoch

let private bytesOf (checkpoint: Checkpoint) = SafetensorsFile.ToBytes(checkpoint.Tensors, checkpoint.Metadata())
let private ofBytes (bytes: byte[]) = Checkpoint.From(SafetensorsFile.Parse(bytes, "test"))

/// The checkpoint that a run leaves when it is cancelled at the moment that `at` arranges.
let private interrupted (at: CancellationTokenSource -> (EpochReport -> unit) * (float -> unit)) =
    use source = new CancellationTokenSource()
    let onEpoch, onStep = at source
    let saved = List<byte[]>()
    let checkpointing = Checkpointing(TimeSpan.MaxValue, (fun checkpoint -> saved.Add(bytesOf checkpoint)))

    Assert.Catch<OperationCanceledException>(
        Action(fun () -> newVae () |> train options onEpoch onStep checkpointing source.Token |> ignore)
    )
    |> ignore

    equal 1 saved.Count
    saved[0]

let private undisturbed =
    lazy
        (let vae = newVae ()
         result vae (train options ignore ignore null CancellationToken.None vae))

let private finish (bytes: byte[]) =
    let vae = newVae ()
    let checkpointing = Checkpointing(TimeSpan.MaxValue, ignore, ofBytes bytes)
    result vae (train options ignore ignore checkpointing CancellationToken.None vae)

[<Test>]
let ``a run that goes on from any of its checkpoints ends with the bits of an undisturbed one`` () =
    let saved = List<byte[]>()
    let checkpointing = Checkpointing(TimeSpan.Zero, (fun checkpoint -> saved.Add(bytesOf checkpoint)))
    let vae = newVae ()
    let outcome = train options ignore ignore checkpointing CancellationToken.None vae
    equalFor "checkpoints change nothing" undisturbed.Value (result vae outcome)
    // One after each of twelve steps, those at the end of an epoch before its validation.
    equal 12 saved.Count

    for threads in [ 1; 2 ] do
        for i in 0 .. saved.Count - 1 do
            equalFor
                $"checkpoint {i}, {threads} threads"
                undisturbed.Value
                (withThreads threads (fun () -> finish saved[i]))

/// Five epochs of gradient ascent at most: the rate halves from the third on, and is too small for the fifth.
let private decaying momentum =
    TrainerOptions(
        Schedule = LearningRateSchedule.Constant(5, 1.0),
        BatchSize = 10,
        Sgd = SgdOptions(Momentum = momentum),
        MaximumGradientNorm = Nullable 0.5,
        Weights = (fun position -> Annealing.KlByBatch(3).Build position),
        // The rate is so large that the bound falls.
        Decay = PlateauDecay(FirstEpoch = 2, Minimum = 0.3),
        ValidationSamples = 3
    )

[<TestCase(0.5, "second/")>]
[<TestCase(0.0, "first/")>]
let ``gradient ascent with or without momentum, with clipping and a decaying rate, goes on as well`` momentum missing =
    let run resume (store: Checkpoint -> unit) =
        let vae = newVae ()
        let checkpointing = Checkpointing(TimeSpan.Zero, Action<_> store, resume)
        result vae (train (decaying momentum) ignore ignore checkpointing CancellationToken.None vae)

    let saved = List<byte[]>()
    let undisturbed = run null (fun checkpoint -> saved.Add(bytesOf checkpoint))

    for bytes in saved do
        equal undisturbed (run (ofBytes bytes) ignore)

    // With Adam it is another run, whose other moments are missed.
    throws<DataException> [ missing; "missing" ] (fun () ->
        newVae ()
        |> train
            options
            ignore
            ignore
            (Checkpointing(TimeSpan.MaxValue, ignore, ofBytes saved[0]))
            CancellationToken.None
        |> ignore)

[<Test>]
let ``a decaying rate halves from the epoch whose bound does not rise, and ends the run when it is too small`` () =
    let rates = List<float>()

    let rule =
        { new TrainingRule() with
            member _.Name = "downhill"

            member _.Gradients(vae, x, _, _, _, gradients) =
                rates.Add(vae.Parameters[0].ToArray()[0])

                for i in 0 .. gradients.Length - 1 do
                    gradients[i] <- Tensor.Filled(cpu, vae.Parameters[i].Shape, -1.0)

                Tensor.Filled(cpu, Shape x.Count, 0.0, ElementType.Float64) }

    let decay = PlateauDecay(FirstEpoch = 4, Minimum = 0.1)

    let options =
        TrainerOptions(
            Schedule = LearningRateSchedule.Constant(40, 0.5),
            BatchSize = 35,
            Rule = rule,
            Sgd = SgdOptions(),
            Decay = decay
        )

    let vae = newVae ()
    let outcome = train options ignore ignore null CancellationToken.None vae
    // Downhill from the start: the bound falls in every epoch, and the fourth is the first whose failure counts.
    let moves = [ for a, b in Seq.pairwise (Seq.append rates [ vae.Parameters[0].ToArray()[0] ]) -> a - b ]
    equal 6 outcome.Curve.Count

    for expected, found in List.zip [ 0.5; 0.5; 0.5; 0.5; 0.25; 0.125 ] moves do
        Checks.near 1e-6 expected found

[<Test>]
let ``a run that is cancelled at any step, or between two epochs, can be finished`` () =
    let steps =
        [ for step in 0..10 ->
              fun (source: CancellationTokenSource) ->
                  let mutable left = step

                  ignore,
                  (fun (_: float) ->
                      (if left = 0 then
                           source.Cancel())

                      left <- left - 1) ]

    let epochs =
        [ for epoch in 1..2 ->
              fun (source: CancellationTokenSource) ->
                  (fun (report: EpochReport) ->
                      if report.Epoch = epoch then
                          source.Cancel()),
                  ignore ]

    let before =
        [ fun (source: CancellationTokenSource) ->
              source.Cancel()
              ignore, ignore ]

    for i, at in List.indexed (before @ epochs @ steps) do
        equalFor $"interruption {i}" undisturbed.Value (finish (interrupted at))

[<Test>]
let ``a run can be interrupted again and again`` () =
    let mutable last: Checkpoint = null
    let mutable outcome: (int64[][] * int64 list list * int) option = None

    while outcome.IsNone do
        use source = new CancellationTokenSource()
        let vae = newVae ()
        let mutable done' = 0

        let onStep (_: float) =
            done' <- done' + 1

            if done' = 2 then
                source.Cancel()

        let checkpointing = Checkpointing(TimeSpan.MaxValue, (fun saved -> last <- ofBytes (bytesOf saved)), last)

        try
            outcome <- Some(result vae (train options ignore onStep checkpointing source.Token vae))
        with :? OperationCanceledException ->
            ()

    equal (Some undisturbed.Value) outcome

[<Test>]
let ``another model's checkpoint is refused, and changes nothing`` () =
    let bytes = interrupted (fun source -> ignore, (fun _ -> source.Cancel()))

    for vae in [ vaeOf 4 10; vaeOf 3 11 ] do
        let before = bitsOf vae.Parameters

        throws<DataException> [ "shape"; "another model" ] (fun () ->
            vae
            |> train
                options
                ignore
                ignore
                (Checkpointing(TimeSpan.MaxValue, ignore, ofBytes bytes))
                CancellationToken.None
            |> ignore)

        equal before (bitsOf vae.Parameters)

[<Test>]
let ``a damaged position is refused`` () =
    let tensors = (ofBytes (interrupted (fun source -> ignore, (fun _ -> source.Cancel())))).Tensors
    let position = (ofBytes (interrupted (fun source -> ignore, (fun _ -> source.Cancel())))).Metadata()
    let name, text = position |> Seq.map (|KeyValue|) |> Seq.exactlyOne

    Mutations.check Mutations.count 1 (Encoding.Latin1.GetBytes text) (fun damaged ->
        let metadata = Dictionary(dict [ name, Encoding.Latin1.GetString damaged ])
        Checkpoint.From(SafetensorsFile.Parse(SafetensorsFile.ToBytes([||], metadata), "test")) |> ignore)

    throws<DataException> [ "no checkpoint" ] (fun () ->
        Checkpoint.From(SafetensorsFile.Parse(SafetensorsFile.ToBytes(tensors, null), "test")) |> ignore)

/// Every parameter gets the same gradient, a function of the step.
type private Pushed(gradientAt: int -> float) =
    inherit TrainingRule()
    override _.Name = "pushed"

    override _.Gradients(vae, x, _, step, _, gradients) =
        for i in 0 .. gradients.Length - 1 do
            gradients[i] <- Tensor.Filled(cpu, vae.Parameters[i].Shape, gradientAt step)

        Tensor.Filled(cpu, Shape x.Count, 0.0, ElementType.Float64)

/// Glyphs are mostly background, so pushing all parameters down raises the ELBO at first, and too far lowers it.
let private downhill patience keepBest =
    TrainerOptions(
        Schedule = LearningRateSchedule.Constant(40, 0.05),
        BatchSize = 35,
        Rule = Pushed(fun _ -> -1.0),
        Patience = patience,
        KeepBest = keepBest
    )

[<Test>]
let ``early stopping ends a run when the validation ELBO has not risen for so many epochs, and the best parameters are kept``
    ()
    =
    let path = List<int64[][]>()
    let curve = List<float>()
    let vae = newVae ()

    let onEpoch (report: EpochReport) =
        path.Add(bitsOf vae.Parameters)
        curve.Add report.Validation.Elbo

    let outcome = train (downhill (Nullable 3) true) onEpoch ignore null CancellationToken.None vae
    let best = curve |> Seq.indexed |> Seq.maxBy snd |> fst
    holds "the best epoch lies inside" (best > 0)
    equal (best + 1) outcome.SelectedEpoch
    equal (best + 1 + 3) outcome.Curve.Count
    equal path[best] (bitsOf vae.Parameters)
    // Without KeepBest the run ends as early, with its last parameters.
    let last = newVae ()
    let outcome = train (downhill (Nullable 3) false) ignore ignore null CancellationToken.None last
    equal (best + 1 + 3) outcome.SelectedEpoch
    equal path[path.Count - 1] (bitsOf last.Parameters)
    // Without patience it goes on to the end.
    let outcome = train (downhill (Nullable()) true) ignore ignore null CancellationToken.None (newVae ())
    equal 40 outcome.Curve.Count

[<Test>]
let ``early stopping and keeping the best need validation data`` () =
    for options in [ downhill (Nullable 3) false; downhill (Nullable()) true ] do
        throws<GapLabException> [ "validation data" ] (fun () ->
            Trainer(options).Train(newVae (), sourceOf glyphs.Train, null) |> ignore)

        throws<GapLabException> [ "validation data" ] (fun () ->
            Trainer(options).Train(newVae (), sourceOf glyphs.Train, sourceOf glyphs.Test) |> ignore)

[<Test>]
let ``parameters that are not finite are neither stored nor returned`` () =
    let run spoilt (interval: TimeSpan) =
        let saved = List<Checkpoint>()

        let options =
            TrainerOptions(
                Schedule = LearningRateSchedule.Constant(3, 0.1),
                BatchSize = 35,
                Rule = Pushed(fun step -> if step = spoilt then nan else -1.0)
            )

        let message =
            messageOf<GapLabException>(fun () ->
                newVae ()
                |> train
                    options
                    ignore
                    ignore
                    (Checkpointing(interval, (fun checkpoint -> saved.Add checkpoint)))
                    CancellationToken.None
                |> ignore)

        message, saved.Count

    let message, checkpoints = run 1 TimeSpan.Zero

    Assert.That(
        message,
        Does.Contain("epoch 2, after step 2").And.Contain("'decoder").And.Contain "smaller learning rate"
    )

    equal 1 checkpoints
    let message, _ = run 2 TimeSpan.MaxValue
    Assert.That(message, Does.Contain("epoch 3, after step 3").And.Contain "not finite")
