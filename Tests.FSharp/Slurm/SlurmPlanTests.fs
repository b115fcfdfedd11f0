/// Which results share a task.
module GapLab.Tests.Slurm.SlurmPlanTests

open System.IO
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Experiments
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

[<Property>]
let ``units are spread evenly, in order, over as many tasks as there may be`` (sizes: int list) (most: int) =
    let most = 1 + abs (most % 20)
    let units = [ for i, size in List.indexed sizes -> [ for j in 1 .. 1 + abs (size % 3) -> i, j ] ]
    let tasks = SlurmPlan.spread most units
    let counts = [ for task in tasks -> task |> List.distinctBy fst |> List.length ]

    (List.concat tasks = List.concat units)
    && (tasks.Length = min most units.Length)
    && (counts.IsEmpty || List.max counts - List.min counts <= 1)
    // No unit is torn.
    && (tasks
        |> List.forall (fun task ->
            task |> List.forall (fun (i, _) -> units[i] |> List.forall (fun item -> List.contains item task))))

[<Test>]
let ``models that need each other stay together, behind what they need`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let parent, other = plainSpec folder 1UL, plainSpec folder 2UL

        let child (parent: TrainSpec) seed =
            TrainSpec(
                Data = parent.Data,
                Model = parent.Model,
                Family = parent.Family,
                Inference = parent.Inference,
                Schedule = parent.Schedule,
                Seed = seed,
                Parent = parent
            )

        let children = [ for seed in [ 3UL; 4UL ] -> child parent seed ]
        let grandchild = child children[1] 5UL

        let models: ArtifactSpec list = [ grandchild; other; children[0] ]
        let plan = List.ofSeq (runner.Plan([], models))
        equal 5 plan.Length

        let seeds = [ for family in SlurmPlan.families plan -> [ for model in family -> model.Artifact.Seed ] ]
        equal [ [ 1UL; 4UL; 5UL; 3UL ]; [ 2UL ] ] seeds

        // What is stored ties nothing together any more.
        runner.Ensure([||], [| parent |])
        let seeds = [ for family in SlurmPlan.families (List.ofSeq (runner.Plan([], models))) -> family.Length ]
        equal [ 2; 1; 1 ] seeds)
