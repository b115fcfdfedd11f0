/// A training run as it was after some of its epochs.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Experiments.SnapshotTests

open System
open System.Collections.Concurrent
open System.IO
open System.Threading
open System.Threading.Tasks
open NUnit.Framework
open GapLab.Data
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private batches = 3
let private epochs = 5

/// Five epochs of three batches in two stages.
let private schedule = LearningRateSchedule [| ScheduleStage(2, 3e-2); ScheduleStage(epochs - 2, 1e-2) |]

/// A run in which everything is switched on that has a state. `before` is called before every step.
let private runOf folder schedule seed (before: int -> unit) =
    TrainSpec(
        Data = DataSpec(Name = dataFile folder, ValidationCount = Nullable 10),
        Model = DenseModel.Choice(2, [| 4 |], Activation.Elu, OutputKind.Bernoulli),
        Family = FactorizedGaussian.Choice(),
        Inference = Amortized.Choice([| 4 |], Activation.Elu),
        Schedule = schedule,
        BatchSize = 15,
        ResetMomentsAtStages = true,
        Weights = Annealing.Entropy 3,
        ValidationSamples = 2,
        KeepBest = true,
        Rule = ruleOf before,
        Seed = seed
    )

let private run folder before = runOf folder schedule 1UL before
let private snapshots folder before = (run folder before).Snapshots [ 1; 2; 4; epochs ] |> Seq.toArray

/// All that a store holds of a run: the bytes of its parameters, and its curve.
let private content (runner: Runner) (spec: TrainSpec) =
    let outcome = (runner.Store.FindArtifact spec).Outcome
    File.ReadAllBytes(runner.Store.WeightsPath spec), CanonicalJson.ToBytes(CanonicalJson.From outcome)

/// What the runs give that start at the beginning, each in a store of its own.
let private undisturbed folder =
    [ for spec in snapshots folder ignore do
          let alone = runOf folder spec.Schedule 1UL ignore
          equal alone.Key spec.Key
          let runner, _ = runnerOn (Path.Combine(folder, $"alone {spec.Schedule.Epochs}"))
          runner.Ensure([||], [| alone |])
          content runner alone ]

let private artifacts (specs: TrainSpec array) = [| for spec in specs -> spec :> ArtifactSpec |]

[<Test>]
let ``snapshots are shorter runs, and the last one is the run itself`` () =
    withFolder (fun folder ->
        let whole = run folder ignore
        let specs = whole.Snapshots [ 5; 1; 4; 2; 2 ] |> Seq.toArray
        equal [| 1; 2; 4; 5 |] (specs |> Array.map _.Schedule.Epochs)
        equal whole.Key specs[3].Key
        equal 4 (specs |> Array.distinctBy _.Key).Length
        // The second stage begins at the third epoch.
        equal [ 2, 3e-2; 2, 1e-2 ] [ for stage in specs[2].Schedule.Stages -> stage.Epochs, stage.LearningRate ]

        for epoch in [ 0; 6 ] do
            throws<GapLabException> [ "5 epochs"; string epoch ] (fun () -> whole.Snapshots [ 1; epoch ] |> ignore))

[<Test>]
let ``all snapshots together take as many steps as the run, and have the bits of runs of their own`` () =
    withFolder (fun folder ->
        let steps = ConcurrentQueue<int>()
        let specs = snapshots folder steps.Enqueue
        let runner, told = runnerOn (Path.Combine(folder, "store"))
        runner.Ensure([||], artifacts specs)
        equal [ 0 .. batches * epochs - 1 ] (List.ofSeq steps)
        equal (undisturbed folder) [ for spec in specs -> content runner spec ]
        equal 0 told.Notes.Count
        // The run itself is there, and its end is not kept: nothing goes on from it.
        holds "the run" (not (isNull (runner.Store.FindArtifact(run folder ignore))))
        equal 3 (Directory.GetFiles(runner.Store.Folder, "end.safetensors", SearchOption.AllDirectories)).Length)

[<Test>]
let ``of a run that is there already, only the epochs up to the last missing snapshot are trained again`` () =
    withFolder (fun folder ->
        let steps = ConcurrentQueue<int>()
        let specs = snapshots folder steps.Enqueue
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        runner.Ensure([||], [| run folder ignore |])
        runner.Ensure([||], artifacts specs)
        equal [ 0 .. batches * 4 - 1 ] (List.ofSeq steps)
        // A finer grid later goes on from the coarser one.
        steps.Clear()
        let fine = (run folder steps.Enqueue).Snapshots [ 1..epochs ] |> Seq.toArray
        runner.Ensure([||], artifacts fine)
        equal [ 2 * batches .. 3 * batches - 1 ] (List.ofSeq steps))

[<Test>]
let ``stopped at any step and started again, snapshots end with the same bits, and no step is made twice`` () =
    withFolder (fun folder ->
        let expected = undisturbed folder

        for interruption in 0 .. batches * epochs - 1 do
            let store = Path.Combine(folder, $"stopped at {interruption}")
            let steps = ConcurrentQueue<int>()

            cancelled (fun source ->
                let specs =
                    snapshots folder (fun step ->
                        steps.Enqueue step

                        if step = interruption then
                            source.Cancel())

                (fst (runnerOn store)).Ensure([||], artifacts specs, source.Token)
                // After the last step nothing is left to be stopped.
                source.Token.ThrowIfCancellationRequested())

            let specs = snapshots folder steps.Enqueue
            let runner, _ = runnerOn store
            runner.Ensure([||], artifacts specs)
            equalFor $"stopped at {interruption}" expected [ for spec in specs -> content runner spec ]
            equalFor $"stopped at {interruption}" [ 0 .. batches * epochs - 1 ] (List.ofSeq steps))

[<Test>]
let ``two runners on one store share the snapshots of two runs, and make every step once`` () =
    withFolder (fun folder ->
        let expected = undisturbed folder
        let store = Path.Combine(folder, "store")
        let steps = ConcurrentQueue<uint64 * int>()

        let wanted () =
            [| for seed in [ 1UL; 2UL ] do
                   let whole = runOf folder schedule seed (fun step -> steps.Enqueue(seed, step))
                   yield! whole.Snapshots [ 1; 2; 4; epochs ] |]

        let work =
            [| for _ in 1..2 ->
                   Task.Factory.StartNew(
                       (fun () -> (fst (runnerOn store)).Ensure([||], artifacts (wanted ()))),
                       TaskCreationOptions.LongRunning
                   ) |]

        Task.WaitAll work
        let runner, _ = runnerOn store
        equal expected [ for spec in (wanted ())[..3] -> content runner spec ]

        for seed in [ 1UL; 2UL ] do
            equal
                [ 0 .. batches * epochs - 1 ]
                [ for own, step in steps do
                      if own = seed then
                          step ])

[<Test>]
let ``an end that is damaged is set aside, and training goes on from an earlier one`` () =
    withFolder (fun folder ->
        let expected = undisturbed folder
        let store = Path.Combine(folder, "store")
        let steps = ConcurrentQueue<int>()
        let specs = snapshots folder steps.Enqueue
        (fst (runnerOn store)).Ensure([||], artifacts specs[..2])
        let runner, told = runnerOn store
        let ended = Path.Combine(Path.GetDirectoryName(runner.Store.WeightsPath specs[2]), "end.safetensors")
        let bytes = File.ReadAllBytes ended
        bytes[bytes.Length / 2] <- bytes[bytes.Length / 2] ^^^ 1uy
        File.WriteAllBytes(ended, bytes)
        steps.Clear()
        runner.Ensure([||], artifacts specs)
        equal [ 2 * batches .. batches * epochs - 1 ] (List.ofSeq steps)
        equal expected [ for spec in specs -> content runner spec ]
        Assert.That(Seq.exactlyOne told.Notes, Does.Contain("end.safetensors").And.Contain "damaged"))
