/// What is still to be done, estimated by doing a little of it. Times are those of the machine: only what they are for is checked.
module GapLab.Tests.Experiments.CostEstimatorTests

open System
open System.IO
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Models
open GapLab.Optimization
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private estimate (runner: Runner) evaluations = CostEstimator(runner, cpu).Estimate evaluations

let private withRunner action =
    withFolder (fun folder -> action folder (fst (runnerOn (Path.Combine(folder, "results")))))

let private titles (estimates: seq<CostEstimate>) = [ for estimate in estimates -> estimate.Title ]

[<Test>]
let ``what is stored already is not counted, and nothing is stored`` () =
    withRunner (fun folder runner ->
        let model = plainSpec folder 1UL
        let evaluations = [ for points in [ 10; 20 ] -> evaluation model (CountingMeasure("m", 1, ignore)) points ]

        let all = estimate runner evaluations
        equal 3 all.Count
        holds "times are numbers" (all |> Seq.forall (fun part -> Double.IsFinite part.Seconds && part.Seconds >= 0.0))
        holds "a model is named by its data" (all[0].Title.StartsWith "training of 2 epochs")
        holds "nothing is stored" (isNull (runner.Find evaluations.Head))

        runner.Ensure evaluations.Tail
        holds "and by its method" (all[0].Title.Contains "joint gradient")
        equal [ all[1].Title ] (titles (estimate runner evaluations)))

[<Test>]
let ``training that looks at validation data after each epoch is estimated`` () =
    withRunner (fun folder runner ->
        let model =
            TrainSpec(
                Data = (plainSpec folder 1UL).Data,
                Model = (plainSpec folder 1UL).Model,
                Family = (plainSpec folder 1UL).Family,
                Inference = (plainSpec folder 1UL).Inference,
                // More steps than are timed, in which the rate would have decayed.
                Schedule = LearningRateSchedule.Constant(40, 1e-2),
                BatchSize = 15,
                Patience = Nullable 5,
                KeepBest = true,
                Sgd = SgdOptions(),
                Decay = PlateauDecay(FirstEpoch = 1)
            )

        let parts = estimate runner [ evaluation model (CountingMeasure("m", 1, ignore)) 10 ]
        equal [ "training of 40 epochs"; "m of 10 train points" ] [ for part in parts -> part.Title.Split(',')[0] ]
        equal "at most: it may stop early" parts[0].Remark
        holds "training takes time" (parts[0].Seconds > 0.0))
