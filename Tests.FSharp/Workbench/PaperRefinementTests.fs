/// The first steps of training with the settings that Kim et al. 2018 publish, which take days to the end.
module GapLab.Tests.Workbench.PaperRefinementTests

open System
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Experiments
open GapLab.Training
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

/// Trains for some steps, from a checkpoint if there is one: the model and the checkpoint where it stopped.
let private steps (runner: Runner) (spec: TrainSpec) count (from: byte[] option) =
    let data = runner.Data spec.Data
    let vae = spec.Build(cpu, data.DataSize)
    let mutable left = count
    let mutable saved = None

    let checkpointing =
        Checkpointing(
            TimeSpan.MaxValue,
            (fun checkpoint -> saved <- Some(SafetensorsFile.ToBytes(checkpoint.Tensors, checkpoint.Metadata()))),
            Resume =
                (match from with
                 | Some bytes -> Checkpoint.From(SafetensorsFile.Parse(bytes, "checkpoint"))
                 | None -> null)
        )

    cancelled (fun source ->
        let onStep _ =
            left <- left - 1

            if left = 0 then
                source.Cancel()

        Trainer(spec.OptionsFor vae)
            .Train(vae, data.Train, data.Validation, ignore, onStep, checkpointing, source.Token)
        |> ignore)

    vae, saved.Value

/// Three steps at one go, and two and one more from a checkpoint; all parameters must be moved, and finite.
let private checkFirstSteps (spec: TrainSpec) =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "results"))
        let initial = spec.Build(cpu, (runner.Data spec.Data).DataSize)
        let whole, _ = steps runner spec 3 None
        let _, checkpoint = steps runner spec 2 None
        let resumed, _ = steps runner spec 1 (Some checkpoint)
        holds "a resumed run is the undisturbed one" (bitsOf whole.Parameters = bitsOf resumed.Parameters)

        for i in (spec.OptionsFor whole).Rule.Trained whole do
            let values = whole.Parameters[i].ToArray()
            holds $"{whole.ParameterNames[i]} is finite" (Array.forall Double.IsFinite values)
            holds $"{whole.ParameterNames[i]} has moved" (values <> initial.Parameters[i].ToArray()))

/// Short sentences, so that a step takes a second.
let private text =
    { SemiAmortizedSettings.text with
        TrainingPoints = Some 200
        ValidationPoints = Some 100 }

let private checkText refinement = checkFirstSteps (RefinedModels.trainSpec text refinement DataSets.Oracle 1UL)

[<Test>]
let ``a VAE with steps of text with a state of 1024`` () = checkText (VaeSviKl 20)

[<Test>]
let ``a SA-VAE of text with a state of 1024`` () = checkText (SaVae 20)

/// Twelve layers of 32 channels; two images in a batch instead of 50, so that a step takes seconds.
[<Test>]
let ``images with twelve gated layers`` () =
    let images =
        { SemiAmortizedSettings.images with
            TrainingPoints = Some 20
            ValidationPoints = Some 10
            BatchSize = 2 }

    checkFirstSteps (RefinedModels.trainSpec images (SaVae 20) DataSets.Glyphs 1UL)
