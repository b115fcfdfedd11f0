/// Files of a store that are damaged, missing, or of another revision.
module GapLab.Tests.Experiments.DamageTests

open System
open System.IO
open System.Text
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Training
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let rec private copy (from: string) (target: string) =
    Directory.CreateDirectory target |> ignore

    for file in Directory.GetFiles from do
        File.Copy(file, Path.Combine(target, Path.GetFileName file))

    for folder in Directory.GetDirectories from do
        copy folder (Path.Combine(target, Path.GetFileName folder))

let private edit (change: byte[] -> byte[]) (path: string) = File.WriteAllBytes(path, change (File.ReadAllBytes path))

let private flip at (bytes: byte[]) =
    let bytes = Array.copy bytes
    bytes[at bytes.Length] <- bytes[at bytes.Length] ^^^ 4uy
    bytes

/// What can happen to any file.
let private damages =
    [ "a bit flipped in the middle", edit (flip (fun length -> length / 2))
      "a bit flipped at the end", edit (flip (fun length -> length - 3))
      "cut in half", edit (fun bytes -> bytes[.. bytes.Length / 2])
      "emptied", edit (fun _ -> [||])
      "text instead", edit (fun _ -> "[1, 2]"B) ]

/// What can happen to a document.
let private documentDamages =
    let text (change: string -> string) = edit (Encoding.UTF8.GetString >> change >> Encoding.UTF8.GetBytes)

    [ "another document", text (fun _ -> """{"content":{},"sha256":"00"}""")
      "nested deeply", text (fun _ -> String('[', 100_000))
      "a member twice", text (fun document -> document.Insert(1, "\"content\":{},"))
      "a number for a text", text (fun document -> document.Replace("\"key\":", "\"key\":1,\"old\":")) ]

let private evaluations folder =
    let artifact = plainSpec folder 1UL

    [| evaluation artifact (InferredBounds 5) 12
       evaluation artifact (CountingMeasure("counting", 1, ignore)) 12 |]

let private results (runner: Runner) (specs: EvaluationSpec[]) =
    let cells = [| for spec in specs -> cellBits (runner.Find spec) |]
    File.ReadAllBytes(runner.Store.WeightsPath specs[0].Artifact), cells

/// Damages a copy of a store and requires that it is noticed, told, set aside, and mended with the same bits.
let private mends folder store expected (specs: EvaluationSpec[]) ending (what: string, damage: string -> unit) =
    let damaged = Path.Combine(folder, Guid.NewGuid().ToString("N"))
    copy store damaged
    let path = fileIn damaged ending
    damage path
    let runner, told = runnerWith eager damaged
    runner.Ensure specs
    // Weights are looked at when they are needed.
    runner.Load specs[0].Artifact |> ignore
    equalFor $"{ending}, {what}" expected (results runner specs)
    let aside = Directory.GetFileSystemEntries(Path.Combine(damaged, "damaged"))
    holds $"{ending}, {what}: set aside" (aside.Length > 0)
    let notes = told.Notes |> Seq.filter (fun note -> note.Contains "damaged") |> Seq.toArray
    equalFor $"{ending}, {what}: told" aside.Length notes.Length

    for note in notes do
        Assert.That(note, Does.Contain(Path.GetFileName path).Or.Contain("cannot be read"))
        Assert.That(note, Does.Contain "computed anew")

    // Once is enough.
    let again, told = runnerWith eager damaged
    again.Ensure specs
    equal 0 told.Notes.Count

[<Test>]
let ``damaged results are noticed, told, set aside and computed anew with the same bits`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let runner, told = runnerOn store
        let specs = evaluations folder
        runner.Ensure specs
        equal 0 told.Notes.Count
        let expected = results runner specs
        let key = specs[0].Key

        for ending in [ "artifact.json"; $"{key}.json" ] do
            for damage in damages @ documentDamages do
                mends folder store expected specs ending damage

        for ending in [ "weights.safetensors"; $"{key}.safetensors" ] do
            for damage in damages @ [ "deleted", File.Delete ] do
                mends folder store expected specs ending damage

        // Where nothing says that a result exists, nothing is damaged.
        for ending in [ "artifact.json"; $"{key}.json" ] do
            let missing = Path.Combine(folder, $"without {ending}")
            copy store missing
            File.Delete(fileIn missing ending)
            let runner, told = runnerOn missing
            runner.Ensure(specs, [| specs[0].Artifact |])
            equal expected (results runner specs)
            equal 0 told.Notes.Count)

[<Test>]
let ``damaged checkpoints and blocks are noticed, told and set aside, and the work starts before them`` () =
    withFolder (fun folder ->
        withThreads 1 (fun () ->
            let mutable steps, blocks = 0, 0
            let mutable stop: CancellationTokenSource = null

            let rule =
                ruleOf (fun _ ->
                    steps <- steps + 1

                    if not (isNull stop) && steps = 4 then
                        stop.Cancel())

            let measure =
                CountingMeasure(
                    "counting",
                    1,
                    fun _ ->
                        blocks <- blocks + 1

                        if not (isNull stop) && blocks = 3 then
                            stop.Cancel()
                )

            let artifact = trainSpec folder 1UL rule
            let wanted = [| evaluation artifact measure 20 |]
            let whole, _ = runnerOn (Path.Combine(folder, "whole"))
            whole.Ensure wanted
            let expected = results whole wanted

            let interrupt store (artifacts: ArtifactSpec[]) =
                steps <- 0
                blocks <- 0

                cancelled (fun source ->
                    stop <- source

                    (fst (runnerWith eager store))
                        .Ensure((if artifacts.Length = 0 then wanted else [||]), artifacts, source.Token))

                stop <- null

            for name, damage in damages do
                let store = Path.Combine(folder, $"training, {name}")
                interrupt store [| artifact |]
                damage (fileIn store "checkpoint.safetensors")
                steps <- 0
                let runner, told = runnerOn store
                runner.Ensure wanted
                equalFor "all steps again" 6 steps
                equalFor name expected (results runner wanted)
                equal 1 (told.Notes |> Seq.filter _.Contains("checkpoint.safetensors") |> Seq.length)
                equal 1 (Directory.GetFileSystemEntries(Path.Combine(store, "damaged"))).Length

            for name, damage in damages do
                let store = Path.Combine(folder, $"measuring, {name}")
                (fst (runnerOn store)).Ensure([||], [| artifact |])
                steps <- 100
                interrupt store [||]
                damage (fileIn store "000000008.safetensors")
                blocks <- 0
                let runner, told = runnerOn store
                runner.Ensure wanted
                equalFor "the second and third block again" 2 blocks
                equalFor name expected (results runner wanted)
                equal 1 (told.Notes |> Seq.filter _.Contains("000000008") |> Seq.length)))

[<Test>]
let ``a checkpoint of another model under the same key is set aside`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let artifact = plainSpec folder 1UL
        let runner, told = runnerOn store
        let path = runner.Store.CheckpointPath artifact
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        runner.Store.TryLock("any").Dispose()

        let other =
            Checkpoint(
                TrainingPosition(0, 1, 0.0, 1, 0, [||]),
                [| SafetensorsEntry.FromFloats("parameter/other", [| 1L |], ReadOnlySpan [| 1.0f |]) |]
            )

        runner.Store.Write(artifact, other, 1.0)
        runner.Ensure([||], [| artifact |])
        equal 1 told.Notes.Count
        Assert.That(Seq.head told.Notes, Does.Contain("another model").And.Contain "moved to"))

[<Test>]
let ``stored documents that are damaged in any way are refused as such`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let spec = Array.head (evaluations folder)
        runner.Ensure [| spec |]

        for ending in [ "artifact.json"; $"{spec.Key}.json" ] do
            let valid = File.ReadAllBytes(fileIn runner.Store.Folder ending)

            Mutations.check Mutations.count 1 valid (fun damaged ->
                StoredDocument.Parse(ReadOnlySpan damaged, "test") |> ignore))

[<Test>]
let ``stored tensors that are damaged in any way are refused as such`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        runner.Ensure [| Array.head (evaluations folder) |]
        let valid = File.ReadAllBytes(fileIn runner.Store.Folder "weights.safetensors")
        let mutable accepted = 0

        let tally =
            Mutations.checkWithin Mutations.allowance Mutations.count 1 valid (fun damaged ->
                let file = StoredTensors.Parse(damaged, "test")
                // What is accepted means the same.
                equal valid (SafetensorsFile.ToBytes(file.Entries, file.Metadata))
                accepted <- accepted + 1)

        equal (accepted - 1) tally.Accepted
        holds "nearly all are refused" (tally.Accepted < Mutations.count / 20))

[<Test>]
let ``results of another revision are found marked as stale, unless they are not wanted`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let artifact = plainSpec folder 1UL
        let mutable runs = 0

        let spec revision =
            evaluation artifact (CountingMeasure("counting", revision, fun _ -> runs <- runs + 1)) 8

        let runner, _ = runnerOn store
        runner.Ensure [| spec 1 |]
        holds "not stale" (not (runner.Find(spec 1)).IsStale)
        let old = runner.Find(spec 2)
        holds "stale" old.IsStale
        equal (spec 1).Key old.Key
        runner.Ensure [| spec 2 |]
        equal 1 runs

        let strict, _ = runnerWith (RunnerOptions(Device = cpu, AcceptStale = false)) store
        holds "not wanted" (isNull (strict.Find(spec 2)))
        strict.Ensure [| spec 2 |]
        equal 2 runs
        equal (spec 2).Key (runner.Find(spec 2)).Key
        holds "the old one is still there" (not (runner.Find(spec 1)).IsStale)
        equal 2 (Seq.length (runner.Store.Cells()))

        // Forgetting a result leaves the other revision's, and the model.
        strict.Forget [| spec 2 |]
        holds "forgotten" (isNull (strict.Find(spec 2)))
        holds "stale again" (runner.Find(spec 2)).IsStale
        strict.Ensure [| spec 2 |]
        equal 3 runs
        equal 1 (Seq.length (runner.Store.Artifacts())))

[<Test>]
let ``stale results whose values are damaged do not do`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")

        let spec revision =
            evaluation (plainSpec folder 1UL) (CountingMeasure("counting", revision, ignore)) 8

        (fst (runnerOn store)).Ensure [| spec 1 |]
        File.Delete(fileIn store $"{(spec 1).Key}.safetensors")
        let runner, told = runnerOn store
        holds "missing" (isNull (runner.Find(spec 2)))
        holds "told" (told.Notes.Count > 0)
        runner.Ensure [| spec 2 |]
        holds "not stale" (not (runner.Find(spec 2)).IsStale))
