/// What can go wrong while results are computed.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Experiments.RunnerTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private counting name before = CountingMeasure(name, 1, before)
let private quiet name = counting name ignore

/// Gives NaN as the objective of one step.
let private nanAt step : Component<Vae, TrainingRule> =
    let rule =
        { new TrainingRule() with
            member _.Name = "NaN"

            member _.Gradients(vae, x, stream, now, weights, gradients) =
                let value = (JointGradient()).Gradients(vae, x, stream, now, weights, gradients)
                if now = step then Tensor.Filled(cpu, value.Shape, nan, value.Type) else value }

    Component<Vae, TrainingRule>("nan", 1, {| step = step |}, (fun _ -> rule))

let private files folder = Directory.GetFiles(folder, "*", SearchOption.AllDirectories)

[<Test>]
let ``a store is opened where there is nothing, an empty folder, or a store`` () =
    withFolder (fun folder ->
        let refuses (words: string list) path = throws<DataException> words (fun () -> ResultStore.Open path |> ignore)
        let file = Path.Combine(folder, "file")
        File.WriteAllText(file, "text")
        refuses [ "is a file"; "name a folder" ] file
        refuses [ "not a folder of results"; "not empty" ] folder
        refuses [ "give its name" ] ""
        let store = Path.Combine(folder, "new")
        let opened = ResultStore.Open store
        holds "nothing is written before the first result" (not (Directory.Exists store))
        opened.TryLock("key").Dispose()
        let again = ResultStore.Open store
        equal 0 (Seq.length (again.Cells()))
        equal 0 (Seq.length (again.Artifacts()))
        let marker = Path.Combine(store, "gaplab-store.json")
        StoredDocument.Write(marker, CanonicalJson.From({| format = 99 |}).AsObject())
        refuses [ "format 99"; "format 1" ] store
        File.WriteAllText(marker, "{}")
        refuses [ "gaplab-store.json"; "damaged" ] store
        // A process that was killed while it made the store.
        File.Move(marker, marker + ".0123.tmp")
        Directory.Delete(Path.Combine(store, "locks"), true)
        (ResultStore.Open store).TryLock("key").Dispose())

[<Test>]
let ``a folder that cannot be written to is named in one sentence`` () =
    withFolder (fun folder ->
        // Also for root, for whom permissions do not bind.
        let file = Path.Combine(folder, "file")
        File.WriteAllText(file, "text")
        let runner, _ = runnerOn (Path.Combine(file, "store"))

        throws<DataException> [ "store"; "cannot be written to" ] (fun () ->
            runner.Ensure [| evaluation (plainSpec folder 1UL) (quiet "m") 5 |])

        let store = Path.Combine(folder, "store")
        let runner, _ = runnerOn store
        runner.Store.TryLock("key").Dispose()
        File.WriteAllText(Path.Combine(store, "cells"), "in the way")

        throws<GapLabException> [ "cannot be written to"; "store" ] (fun () ->
            runner.Ensure [| evaluation (plainSpec folder 1UL) (quiet "m") 5 |]))

/// A file system of 100 kB, if this process may mount one.
let private withTinyDisk (folder: string) (action: string -> unit) =
    let run (name: string) (arguments: string list) =
        try
            use running = Process.Start(ProcessStartInfo(name, arguments, RedirectStandardError = true))
            running.WaitForExit()
            running.ExitCode = 0
        with _ ->
            false

    let disk = Directory.CreateDirectory(Path.Combine(folder, "disk")).FullName

    if not (run "mount" [ "-t"; "tmpfs"; "-o"; "size=100k"; "gaplab-test"; disk ]) then
        Assert.Ignore "No small file system can be mounted here."

    try
        action disk
    finally
        run "umount" [ disk ] |> ignore

[<Test>]
let ``on a full disk training goes on without checkpoints, nothing stored is lost, and the message says what to do``
    ()
    =
    withFolder (fun folder ->
        withTinyDisk folder (fun disk ->
            let store = Path.Combine(disk, "store")
            let artifact = plainSpec folder 1UL
            let first = evaluation artifact (quiet "first") 5
            let runner, _ = runnerWith eager store
            runner.Ensure [| first |]
            let bits = cellBits (runner.Find first)

            let fill () =
                use file =
                    new FileStream(
                        Path.Combine(disk, "ballast"),
                        FileMode.Create,
                        FileAccess.Write,
                        FileShare.None,
                        0
                    )

                try
                    while true do
                        file.Write(Array.zeroCreate<byte> 1024, 0, 1024)
                with :? IOException ->
                    ()

            fill ()
            let other = plainSpec folder 2UL
            let second = evaluation artifact (quiet "second") 5
            let runner, told = runnerWith eager store
            let message = messageOf<GapLabException>(fun () -> runner.Ensure([| second |], [| other |]))
            Assert.That(message, Does.Contain("could not be computed").And.Contain("space"))
            equal bits (cellBits (runner.Find first))
            File.Delete(Path.Combine(disk, "ballast"))
            runner.Ensure([| second |], [| other |])

            holds
                "both are there"
                (not (isNull (runner.Find second)) && not (isNull (runner.Store.FindArtifact other)))

            equal 0 (files disk |> Array.filter _.EndsWith(".tmp") |> Array.length)
            holds "told of the checkpoint" (told.Notes |> Seq.exists _.Contains("space"))))

[<Test>]
let ``a training whose objective becomes NaN names step, tensor and the last good checkpoint, and the others finish``
    ()
    =
    withFolder (fun folder ->
        let runner, told = runnerWith eager (Path.Combine(folder, "store"))
        let bad = trainSpec folder 1UL (nanAt 4)
        let good = plainSpec folder 2UL

        let wanted = [| evaluation bad (quiet "m") 5; evaluation bad (quiet "n") 5; evaluation good (quiet "m") 5 |]

        let message = messageOf<GapLabException>(fun () -> runner.Ensure wanted)

        for part in
            [ "3 of 5"; "training of 2 epochs"; "seed 1"; "epoch 2, step 5"; "NaN"; "after 1 epochs and 1 batches" ] do
            Assert.That(message, Does.Contain part)

        Assert.That(message, Does.Contain(runner.Store.CheckpointPath bad))
        holds "the checkpoint is there" (File.Exists(runner.Store.CheckpointPath bad))
        holds "the good one is there" (not (isNull (runner.Find wanted[2])))
        equal 3 told.Notes.Count
        // Again it goes on from the checkpoint, to the same end.
        let again, _ = runnerOn runner.Store.Folder

        Assert.That(
            messageOf<GapLabException>(fun () -> again.Ensure([||], [| bad |])),
            Does.Contain "epoch 2, step 5"
        ))

[<Test>]
let ``one failing result does not keep the others from being computed`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let runner, told = runnerOn (Path.Combine(folder, "store"))

        let failing =
            [ counting "own" (fun _ -> raise (GapLabException "The moon is full.")),
              [ "own of 5 train points"; "moon" ]
              counting "other" (fun _ -> raise (DivideByZeroException())), [ "other of 5"; "DivideByZeroException" ] ]

        for measure, words in failing do
            let wanted = [| for m in [ measure; quiet $"good {measure.Title}" ] -> evaluation artifact m 5 |]
            throws<GapLabException> words (fun () -> runner.Ensure wanted)
            holds "failed" (isNull (runner.Find wanted[0]))
            holds "finished" (not (isNull (runner.Find wanted[1])))

        // Each was told at once, since others were still to come.
        equal 2 told.Notes.Count)

[<Test>]
let ``a stopped training leaves its checkpoint, and goes on from it`` () =
    withFolder (fun folder ->
        let mutable steps = 0
        let mutable stop: CancellationTokenSource = null

        let rule =
            ruleOf (fun step ->
                steps <- steps + 1

                if not (isNull stop) && step = 3 then
                    stop.Cancel())

        let artifact = trainSpec folder 1UL rule
        let whole, _ = runnerOn (Path.Combine(folder, "whole"))
        whole.Ensure([||], [| artifact |])
        let store = Path.Combine(folder, "store")

        cancelled (fun source ->
            stop <- source
            (fst (runnerOn store)).Ensure([||], [| artifact |], source.Token))

        stop <- null
        steps <- 0

        let unfinished =
            Path.Combine(Path.GetDirectoryName(fileIn store "checkpoint.safetensors"), "weights.safetensors.0.tmp")

        File.WriteAllText(unfinished, "of a killed process")
        let runner, told = runnerOn store
        runner.Ensure([||], [| artifact |])
        equal 2 steps
        Assert.That(Seq.exactlyOne told.Notes, Does.Contain "1 epochs and 1 batches")

        equal
            (File.ReadAllBytes(whole.Store.WeightsPath artifact))
            (File.ReadAllBytes(runner.Store.WeightsPath artifact))

        equal
            [ "artifact.json"; "weights.safetensors" ]
            [ for f in Array.sort (files (Path.Combine(store, "artifacts"))) -> Path.GetFileName f ]

        let selected (runner: Runner) = (runner.Store.FindArtifact artifact).Outcome.SelectedEpoch
        equal (selected whole) (selected runner))

[<Test>]
let ``a model starts from its parent's parameters, or says that none fit`` () =
    withFolder (fun folder ->
        let parent = plainSpec folder 1UL

        let child hidden =
            TrainSpec(
                Data = parent.Data,
                Model = DenseModel.Choice(2, [| hidden |], Activation.Elu, OutputKind.Bernoulli),
                Family = parent.Family,
                Inference = parent.Inference,
                Schedule = LearningRateSchedule.Constant(1, 0.0),
                Parent = parent
            )

        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        // A rate of zero: the child is its parent.
        equal (bitsOf (runner.Load(child 4)).Parameters) (bitsOf (runner.Load parent).Parameters)
        equal 2 (Seq.length (runner.Store.Artifacts()))

        let narrow = Path.Combine(folder, "narrow.csv")
        File.WriteAllLines(narrow, [ for i in 0..9 -> String.Join(',', [ for j in 0..4 -> (i >>> j) &&& 1 ]) ])

        let stranger =
            TrainSpec(
                Data = DataSpec(Name = narrow, ValidationCount = Nullable 1),
                Model = DenseModel.Choice(3, [| 5 |], Activation.Elu, OutputKind.Bernoulli),
                Family = parent.Family,
                Inference = Amortized.Choice([| 7 |], Activation.Elu),
                Schedule = parent.Schedule,
                Parent = parent
            )

        throws<GapLabException> [ "no parameter of the same name and shape" ] (fun () ->
            runner.Ensure([||], [| stranger |])))

[<Test>]
let ``a parent may hand down its generative model alone, which then has to fit`` () =
    withFolder (fun folder ->
        let parent = plainSpec folder 1UL

        let child inherits latentSize =
            TrainSpec(
                Data = parent.Data,
                Model = DenseModel.Choice(latentSize, [| 4 |], Activation.Elu, OutputKind.Bernoulli),
                Family = parent.Family,
                Inference = parent.Inference,
                Schedule = LearningRateSchedule.Constant(1, 0.0),
                Seed = 7UL,
                Parent = parent,
                Inherits = inherits
            )

        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let bits (part: Vae -> Tensor seq) spec = bitsOf (part (runner.Load spec))
        let model (vae: Vae) = vae.Model.Parameters :> Tensor seq
        let encoder (vae: Vae) = vae.Inference.Parameters :> Tensor seq
        let own = child Inheritance.Model 2
        equal (bits model parent) (bits model own)
        // The encoders' names and shapes agree; a rate of zero leaves the initial values.
        equal (bitsOf (own.Build(cpu, 6)).Inference.Parameters) (bits encoder own)
        equal (bits encoder parent) (bits encoder (child Inheritance.All 2))

        throws<GapLabException> [ "generative model"; "'decoder.0.weight'"; "must be the same" ] (fun () ->
            runner.Ensure([||], [| child Inheritance.Model 3 |])))

[<Test>]
let ``a model comes from a file of weights, which may be another store's`` () =
    withFolder (fun folder ->
        let trained = plainSpec folder 1UL
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let vae = runner.Load trained

        let imported =
            ImportSpec(
                runner.Store.WeightsPath trained,
                Data = trained.Data,
                Model = trained.Model,
                Family = trained.Family,
                Inference = trained.Inference
            )

        equal (bitsOf vae.Parameters) (bitsOf (runner.Load imported).Parameters)
        let a, b = evaluation trained (quiet "m") 5, evaluation imported (quiet "m") 5
        runner.Ensure [| a; b |]
        equal (cellBits (runner.Find a)) (cellBits (runner.Find b)))

[<Test>]
let ``a loaded model is the caller's own: changing it changes no result`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let spec = evaluation artifact (quiet "m") 5
        let untouched, _ = runnerOn (Path.Combine(folder, "untouched"))
        untouched.Ensure [| spec |]
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let vae = runner.Load artifact
        vae.Parameters[0].Assign(Tensor.Filled(cpu, vae.Parameters[0].Shape, 3.0))
        runner.Ensure [| spec |]
        equal (cellBits (untouched.Find spec)) (cellBits (runner.Find spec)))

[<Test>]
let ``what a process killed just after storing a result could not remove is removed by the next one`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let spec = evaluation (plainSpec folder 1UL) (quiet "m") 5
        let runner, _ = runnerOn store
        runner.Ensure [| spec |]
        let whole = files store |> Array.sort
        let weights = runner.Store.WeightsPath spec.Artifact
        File.Copy(weights, runner.Store.CheckpointPath spec.Artifact)
        File.WriteAllText(weights + ".0.tmp", "half")
        let cell = Path.ChangeExtension(fileIn store $"{spec.Key}.json", null)
        Directory.CreateDirectory cell |> ignore
        File.Copy(weights, Path.Combine(cell, "000000000.safetensors"))

        for key in [ spec.Key; spec.Artifact.Key ] do
            File.WriteAllText(Path.Combine(store, "locks", key), "")

        let again, told = runnerOn store
        again.Ensure [| spec |]
        equal whole (files store |> Array.sort)
        equal 0 told.Notes.Count)
