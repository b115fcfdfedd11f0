module GapLab.Tests.Workbench.SuboptimalityTests

open System.IO
open NUnit.Framework
open GapLab.Data
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

let private tiny =
    { Suboptimality.smoke with
        TrainingImages = Some 200
        ValidationImages = Some 50
        LatentSize = 3
        Hidden = [ 10 ]
        Schedule = LearningRateSchedule.Constant(2, 1e-3)
        Points = 2 }

[<Test>]
let ``the paper preset has no differences, the others name theirs`` () =
    equal
        [ "Settings: those of the paper's experiments on MNIST and Fashion-MNIST." ]
        (Suboptimality.settingNotes [ Suboptimality.paper ])

    let notes = Suboptimality.settingNotes [ Suboptimality.small ]
    holds "AIS chains" (List.exists (fun (note: string) -> note.Contains "AIS chains 20 (paper: 100)") notes)
    holds "no reproduction" (List.exists (fun (note: string) -> note.Contains "no reproduction") notes)

    let other =
        { Suboptimality.paper with
            Schedule = LearningRateSchedule.Constant(3280, 1e-3) }

    holds
        "another schedule of as many epochs"
        (Suboptimality.settingNotes [ other ] |> List.exists (fun note -> note.Contains "3280 at 0.001"))

[<Test>]
let ``colour images have settings of their own, of which the paper's have no differences`` () =
    for dataset in [ "cifar-10"; "shapes" ] do
        for preset in [ "smoke"; "small"; "paper" ] do
            holds preset (Suboptimality.presetFor dataset preset).Convolutions.IsSome

    equal Suboptimality.small.Hidden (Suboptimality.presetFor "glyphs" "small").Hidden

    equal
        [ "Settings: those of the paper's experiments on CIFAR-10 and MNIST and Fashion-MNIST." ]
        (Suboptimality.settingNotes [ Suboptimality.paperColours; Suboptimality.paper ])

    let notes = Suboptimality.settingNotes [ Suboptimality.smokeColours ]
    holds "channels" (notes |> List.exists _.Contains("channels of the convolutions 4-8-16 (paper: 64-128-256)"))
    holds "no dense layers" (not (notes |> List.exists _.Contains("hidden layers of the decoder")))
    throws<GapLabException> [ "'huge'" ] (fun () -> Suboptimality.presetFor "cifar-10" "huge" |> ignore)
    throws<GapLabException> [ "convolutional" ] (fun () -> Suboptimality.dense Suboptimality.smallColours |> ignore)

[<Test>]
let ``the settings of colour images reach the training run and the measures`` () =
    let settings = { Suboptimality.paperColours with OtherFamilies = [ "flow" ] }

    let spec = Suboptimality.trainSpec settings "shapes" 1UL
    equal (true, System.Nullable 10) (spec.KeepBest, spec.Patience)
    let json = spec.ToJson().ToJsonString()

    for part in [ "\"convolutional\""; "\"convolutional-encoder\""; "\"synthetic-shapes\""; "[64,128,256]" ] do
        holds part (json.Contains part)

    let measures =
        [ for evaluation in Suboptimality.evaluations settings spec DataSplit.Test -> evaluation.ToJson().ToJsonString() ]

    holds "the flow's length" (measures[3].Contains "\"steps\":4")

[<Test>]
let ``an unknown preset is refused`` () =
    throws<GapLabException> [ "'huge'"; "smoke, small, paper" ] (fun () -> Suboptimality.preset "huge" |> ignore)

[<Test>]
let ``annealing, data sizes and every other setting enter the key of a training run`` () =
    let key settings = (Suboptimality.trainSpec settings "glyphs" 1UL).Key

    let keys =
        [ tiny
          { tiny with AnnealingEpochs = 0 }
          { tiny with AnnealingEpochs = 2 }
          { tiny with TrainingImages = Some 150 }
          { tiny with ValidationImages = None }
          { tiny with LatentSize = 4 }
          { tiny with Hidden = [ 10; 10 ] }
          { tiny with Schedule = LearningRateSchedule.Constant(2, 2e-3) } ]
        |> List.map key

    equal keys.Length (List.distinct keys).Length
    // What only the evaluation uses does not train again.
    equal (key tiny) (key { tiny with Points = 3; Chains = 7 })

[<Test>]
let ``measurements carry reasons for caution, with the points that they are about`` () =
    withFolder (fun folder ->
        // Short steps from the prior over four distributions are nearly always accepted.
        let settings =
            { tiny with
                ImportanceSamples = 5
                Chains = 2
                Distributions = 4
                LocalSamples = 2
                LocalSteps = 100 }

        let runner, _ = runnerOn (Path.Combine(folder, "store"))

        let findings split =
            let wanted = Suboptimality.evaluations settings (plainSpec folder 3UL) split
            runner.Ensure(List.toArray wanted)
            (Measurement.ofCells settings 3UL [ for spec in wanted -> runner.Find spec ]).Findings

        for split, points in [ DataSplit.Train, "training"; DataSplit.Validation, "validation" ] do
            match findings split |> List.filter _.Contains("accepted") with
            | [ finding ] ->
                holds finding (finding.StartsWith $"Caution, {points} points of seed 3: AIS accepted more than 90 %%")
            | other -> Assert.Fail $"One finding is expected, not %A{other}.")
