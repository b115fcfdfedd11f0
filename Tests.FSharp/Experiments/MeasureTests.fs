/// Measures through a runner and a store against the estimators that they wrap.
module GapLab.Tests.Experiments.MeasureTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private points = 20
let private seed = 5UL

let private local = LocalOptimizerOptions(Samples = 3, StepsPerCheck = 5, Patience = 2, MaximumSteps = 40)
let private ais = AisOptions(Chains = 4, Betas = AnnealingSchedule.Linear 8, LeapfrogSteps = 2)

let private fromQ =
    AisOptions(
        Chains = 4,
        Betas = AnnealingSchedule.Linear 8,
        LeapfrogSteps = 2,
        StepSizes = StepSizeMode.Frozen,
        Start = AnnealingStart.Posterior
    )

let private otherFamily =
    Component<FamilyContext, VariationalFamily>(
        "unit",
        1,
        null,
        fun context -> FactorizedGaussian(context.Model.Device, context.Model.LatentSizes[0]) :> VariationalFamily
    )

let private boundMeasure = BoundMeasure(Component("script's IWAE", 1), Iwae 7)

/// The measures, and what the estimators give for all points at once, by column.
let private direct (vae: Vae) (x: Observations) : (Measure * (string * float[] * BoundEstimate option) list) list =
    let streamOf purpose = RandomStream(seed, purpose)
    let column name (bound: BoundEstimate) = name, bound.Values, Some bound
    let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, streamOf RandomPurpose.Evaluation, 0).Final

    let importance samples lambda fork =
        ImportanceSampler(samples)
            .Estimate(vae.Model, vae.Family, x, lambda, (streamOf RandomPurpose.Importance).Fork fork)

    let columns (estimate: ImportanceEstimate) =
        [ column "elbo" estimate.Elbo
          column "iwae" estimate.Iwae
          "effectiveSamples", estimate.EffectiveSampleSizes, None ]

    let optimum = LocalOptimizer(local).Optimize(vae.Model, vae.Family, x, streamOf RandomPurpose.LocalOptimization)

    let optimal =
        columns (importance 9 optimum.Lambda 2UL)
        @ [ "steps", Array.map float optimum.Steps, None
            "converged", Array.map (fun c -> if c then 1.0 else 0.0) optimum.Converged, None ]

    let annealedColumns (annealed: AisEstimate) =
        [ column "ais" annealed.LogMarginal
          "acceptance", annealed.AcceptanceRates, None
          "effectiveChains", annealed.EffectiveSampleSizes, None ]

    let annealing = streamOf RandomPurpose.AnnealedInitial
    let simulated = SimulatedData.Draw(vae.Model, x, streamOf RandomPurpose.ModelSampling)

    let simulatedLambda =
        vae.Inference.Infer(vae.Model, vae.Family, simulated.Observations, streamOf RandomPurpose.Evaluation, 0).Final

    let bidirectionalColumns (both: BdmcEstimate) =
        [ column "lower" both.Lower
          column "upper" both.Upper
          "difference", both.Differences, None
          "forwardAcceptance", both.Forward.AcceptanceRates, None
          "reverseAcceptance", both.Reverse.AcceptanceRates, None
          "forwardEffectiveChains", both.Forward.EffectiveSampleSizes, None
          "reverseEffectiveChains", both.Reverse.EffectiveSampleSizes, None ]

    let rowsOf (value: Observations -> int -> float) =
        [| for row in 0 .. x.Count - 1 -> value (x.Select(ReadOnlySpan [| row |])) row |]

    let posteriors =
        [| for row in 0 .. x.Count - 1 -> PlanePosterior.Of(vae.Model, x.Select(ReadOnlySpan [| row |])) |]

    let divergences (lambda: LocalParameters) =
        rowsOf (fun own row ->
            let lambda = lambda.Select(ReadOnlySpan [| row |])
            let noise = (streamOf RandomPurpose.Importance).Fork 4UL
            let q = PlanePosterior.Of(vae.Model, vae.Family, own, lambda, noise)
            PlanePosterior.Divergence(vae.Model, own, posteriors[row], q))

    let fromMoments =
        LocalOptimizer(local)
            .Optimize(
                vae.Model,
                vae.Family,
                x,
                streamOf RandomPurpose.LocalOptimization,
                null,
                CancellationToken.None,
                PlanePosterior.MomentsAsStart(vae.Family, posteriors)
            )

    let shapeColumns =
        let ofPosterior name (value: PlaneDensity -> float) = name, Array.map value posteriors, None
        let standard = divergences optimum.Lambda

        [ ofPosterior "logMarginal" _.LogIntegral
          ofPosterior "correlation" _.Correlation
          ofPosterior "bimodality" (fun p -> p.Bimodality())
          ofPosterior "saddle" (fun p ->
              match p.SecondPart() with
              | null -> 0.
              | part -> part.Depth)
          "klInferred", divergences lambda, None
          "klFromStandard", standard, None
          "klOptimal", Array.map2 min standard (divergences fromMoments.Lambda), None ]

    let bound = (Iwae 7).Estimate(vae.Model, vae.Family, x, lambda, streamOf RandomPurpose.Importance)

    [ InferredBounds 9, columns (importance 9 lambda 1UL)
      OptimalBounds(local, 9), optimal
      OptimalBounds(local, 9, otherFamily), optimal
      AnnealedBound ais, annealedColumns (Ais(ais).Run(vae.Model, x, annealing))
      AnnealedBound fromQ, annealedColumns (Ais(fromQ).Run(vae.Model, vae.Family, x, lambda, annealing))
      BidirectionalBound ais, bidirectionalColumns (Bdmc(ais).Run(vae.Model, simulated, annealing))
      BidirectionalBound fromQ,
      bidirectionalColumns (Bdmc(fromQ).Run(vae.Model, vae.Family, simulated, simulatedLambda, annealing))
      PosteriorShape local, shapeColumns
      boundMeasure, [ column "bound" bound ] ]

let private spec artifact (measure: Measure) =
    EvaluationSpec(Artifact = artifact, Measure = measure, Split = DataSplit.Train, Points = points, Seed = seed)

[<Test>]
let ``measured in blocks, stored and read back, all measures have the bits of their estimators`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let runner, _ = runnerOn (Path.Combine(folder, "reference"))
        let vae = runner.Load artifact
        use _scope = MemoryScope.Enter(record = false)
        let x = runner.Data(artifact.Data).Train.Subset points
        let expected = direct vae x

        // Three blocks with one thread, two with two.
        for threads in [ 1; 2 ] do
            withThreads threads (fun () ->
                let runner, _ = runnerWith eager (Path.Combine(folder, $"store{threads}"))
                runner.Ensure [| for measure, _ in expected -> spec artifact measure |]

                for measure, columns in expected do
                    let cell = runner.Find(spec artifact measure)
                    equal [ for name, _, _ in columns -> name ] [ for column in cell.Columns -> column.Name ]
                    equal (x.Indices.ToArray()) cell.Datapoints

                    for name, values, estimate in columns do
                        let what = $"{measure.Title}, {name}, {threads} threads"
                        equalFor what (bits values) (bits (cell.Values name))
                        equalFor $"{what}, mean" (Array.average values) (cell.Summary name).Mean

                        match estimate with
                        | None -> holds $"{what} has no direction" (not (cell.Summary name).Direction.HasValue)
                        | Some estimate ->
                            let bound = cell.Bound name
                            equalFor $"{what}, errors" (bits estimate.StandardErrors) (bits bound.StandardErrors)
                            equal estimate.Direction bound.Direction
                            equal bound.MonteCarloError (cell.Summary name).MonteCarloError.Value))

[<Test>]
let ``a measurement that is stopped keeps its blocks and goes on after them`` () =
    withFolder (fun folder ->
        withThreads 1 (fun () ->
            let artifact = plainSpec folder 1UL
            let counts = List<int>()
            let mutable stop: CancellationTokenSource option = None

            let before count =
                counts.Add count

                match stop with
                | Some source when counts.Count = 3 -> source.Cancel()
                | _ -> ()

            let wanted = spec artifact (CountingMeasure("counting", 1, before))
            let whole, _ = runnerOn (Path.Combine(folder, "whole"))
            whole.Ensure [| wanted |]
            equal [ 8; 8; 4 ] (List.ofSeq counts)

            // With and without blocks stored on the way: what was measured is stored when the run stops.
            for options in [ eager; RunnerOptions(Device = cpu) ] do
                let store = Path.Combine(folder, $"parts{options.BlockInterval.TotalSeconds}")
                counts.Clear()

                cancelled (fun source ->
                    stop <- Some source
                    (fst (runnerWith options store)).Ensure([| wanted |], null, source.Token))

                stop <- None
                counts.Clear()
                let again, _ = runnerWith options store
                holds "not finished" (isNull (again.Find wanted))
                again.Ensure [| wanted |]
                equal [ 4 ] (List.ofSeq counts)
                equal (cellBits (whole.Find wanted)) (cellBits (again.Find wanted))
                // Blocks and locks are gone.
                equal 2 (Directory.GetFiles(Path.Combine(store, "cells"), "*", SearchOption.AllDirectories)).Length
                equal 0 (Directory.GetFiles(Path.Combine(store, "locks"))).Length))

/// A measure that gives what it is told to.
type private Given(name, result: int -> MeasureResult, isOfWholeSet) =
    inherit Measure(Component(name, 1))
    override _.Title = name
    override _.IsOfWholeSet = isOfWholeSet
    override _.Run(_, x, _, _, _) = result x.Count

[<Test>]
let ``a measure of a whole set gets all datapoints at once and may give scalars alone`` () =
    withFolder (fun folder ->
        let counts = List<int>()

        let result count =
            counts.Add count
            MeasureResult([||], dict [ "radius", 0.1; "gap", nan ] |> Dictionary)

        let wanted = spec (plainSpec folder 1UL) (Given("scalars", result, true))
        let runner, _ = runnerWith eager (Path.Combine(folder, "store"))
        runner.Ensure [| wanted |]
        let cell = runner.Find wanted
        equal [ points ] (List.ofSeq counts)
        equal 0.1 cell.Scalars["radius"]
        equal nan cell.Scalars["gap"]
        throws<DataException> [ "no column 'elbo'" ] (fun () -> cell.Values "elbo" |> ignore))

[<Test>]
let ``what a script's measure gives is checked`` () =
    withFolder (fun folder ->
        let column name count = MeasuredColumn(name, Array.zeroCreate count)

        let cases =
            [ "short", ((fun count -> MeasureResult [| column "a" (count - 1) |]), [ "'short'"; "'a'"; "one value" ])
              "twice", ((fun count -> MeasureResult [| column "a" count; column "a" count |]), [ "'a'"; "taken" ])
              "reserved", ((fun count -> MeasureResult [| column "datapoint" count |]), [ "'datapoint'"; "taken" ])
              "errors", ((fun count -> MeasureResult [| column "a.standardError" count |]), [ "taken" ])
              "none", ((fun _ -> MeasureResult [||]), [ "must give columns" ])
              "scalars",
              ((fun count -> MeasureResult([| column "a" count |], dict [ "b", 1.0 ] |> Dictionary)),
               [ "IsOfWholeSet" ]) ]

        let runner, _ = runnerOn (Path.Combine(folder, "store"))

        for name, (result, words) in cases do
            throws<GapLabException> (name :: words) (fun () ->
                runner.Ensure [| spec (plainSpec folder 1UL) (Given(name, result, false)) |]))

[<Test>]
let ``the title of a bidirectional bound says that the data are simulated and whether it is certified`` () =
    let title mode = (BidirectionalBound(AisOptions(Chains = 3, StepSizes = mode))).Title
    equal "BDMC (3 chains, 500 distributions) on simulated data, not certified" (title StepSizeMode.Adaptive)
    equal "BDMC (3 chains, 500 distributions) on simulated data, certified" (title StepSizeMode.Frozen)

[<Test>]
let ``the cheap part of an annealed measure keeps its kind and settings`` () =
    let options = AisOptions(Chains = 3, Betas = AnnealingSchedule.Sigmoid 102, Start = AnnealingStart.Posterior)
    let few = AisOptions(Chains = 3, Betas = AnnealingSchedule.Linear 6, Start = AnnealingStart.Posterior)
    let key (measure: Measure) = measure.Identity.ToJson().ToJsonString()

    let cases: (Measure * Measure) list =
        [ AnnealedBound options, AnnealedBound few; BidirectionalBound options, BidirectionalBound few ]

    withFolder (fun folder ->
        let vae = (plainSpec folder 1UL).Build(CpuDevice.Instance, 6)

        for measure, cheap in cases do
            let struct (probe, factor) = measure.CheapPart vae
            equal (key cheap) (key probe)
            equal 25.0 factor
            let struct (probe, factor) = probe.CheapPart vae
            equal (key cheap, 1.0) (key probe, factor))

[<Test>]
let ``the cheap part of bounds by iteration goes one n-th of the way and is measured there alone`` () =
    let key (measure: Measure) = measure.Identity.ToJson().ToJsonString()

    withFolder (fun folder ->
        let vae = (plainSpec folder 1UL).Build(CpuDevice.Instance, 6)

        for asked, cheap in [ [ 0; 1; 2; 5; 10; 15; 20; 30; 40 ], 5; [ 0; 3 ], 2; [ 7 ], 7 ] do
            let struct (probe, factor) = IterationBounds(List.toArray asked, 30).CheapPart vae
            equal (key (IterationBounds([| cheap |], 30))) (key probe)
            equal (float asked.Length) factor)

[<Test>]
let ``estimates of time take more steps for granted where the family has networks`` () =
    withFolder (fun folder ->
        let vae = (plainSpec folder 1UL).Build(CpuDevice.Instance, 6)

        let steps family maximum =
            OptimalBounds(LocalOptimizerOptions(MaximumSteps = maximum), 5, family).Assumption vae

        equal "for 8000 steps a datapoint" (steps null 100_000)
        equal "for 14000 steps a datapoint" (steps (AuxiliaryFlow.Choice()) 100_000)
        equal "for 500 steps a datapoint" (steps (AuxiliaryFlow.Choice()) 500))
