namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Tensors

/// The gaps of iterative inference after each of its iterations, beside those of a standard encoder.
module IterationGaps =
    /// Test points whose q* is searched.
    let private points preset =
        match preset with
        | "smoke" -> 10
        | "small" -> 50
        | _ -> 1000

    /// The iterations after which the gaps are taken: up to those of training, and as many again.
    let private iterations (settings: IterativeSettings) =
        [ 0 .. settings.Iterations ] @ [ 2 * settings.Iterations; 4 * settings.Iterations ]

    /// After how many iterations a start at the estimate of the frame before is compared with the usual one.
    let private warmed (settings: IterativeSettings) =
        [ 0; 1; 2; 4; 8; 16 ] |> List.filter (fun t -> t <= settings.Iterations)

    /// The ELBO of images that have moved by a pixel, from the usual start and from the estimate before they moved.
    let private warmStart (session: Session) (settings: IterativeSettings) points (runs: TrainSpec list) =
        let iterations = warmed settings
        let images = (session.Data runs.Head.Data).Set.Splits.Test

        let cells =
            session.Evaluate
                [ for run in runs ->
                      EvaluationSpec(
                          Artifact = run,
                          Measure =
                              WarmStartBounds(
                                  List.toArray iterations,
                                  settings.Iterations,
                                  images.Width,
                                  500,
                                  images.Channels
                              ),
                          Split = DataSplit.Test,
                          Points = points,
                          Seed = run.Seed
                      ) ]

        Frame.ofRows
            [ "iterations"; "L from N(0, I)"; "L from the frame before"; "difference" ]
            [ for t in iterations ->
                  let bounds (name: int -> string) = [ for cell in cells -> cell.Bound(name t) ]
                  let cold, warm = bounds WarmStartBounds.Cold, bounds WarmStartBounds.Warm
                  [ Integer t; Comparison.bound cold; Comparison.bound warm; Comparison.difference warm cold ] ]

    /// The report for one data set.
    let report (session: Session) title (settings: IterativeSettings) dataset : Report =
        let gaps =
            { Suboptimality.withAnnealing session settings.Gaps with
                Points = min settings.Gaps.Points (points session.Preset)
                SimulatedPoints = 0 }

        let iterations = iterations settings
        let standard = IterativeModels.trainSpecs session settings (IterativeModels.standard settings) dataset

        let iterative =
            IterativeModels.trainSpecs session settings (IterativeModels.iterative settings Encoding.gradients) dataset

        let measured = Suboptimality.measure session [ for spec in standard @ iterative -> gaps, spec, DataSplit.Test ]

        let ofStandard, ofIterative = List.splitAt standard.Length measured

        let curves =
            session.Evaluate
                [ for spec in iterative ->
                      EvaluationSpec(
                          Artifact = spec,
                          Measure = IterationBounds(List.toArray iterations, gaps.ImportanceSamples),
                          Split = DataSplit.Test,
                          Points = gaps.Points,
                          Seed = spec.Seed
                      ) ]

        /// The gaps where λ_t takes the place of what inference gives in the end.
        let gapsAt t =
            [ for m, cell, spec in List.zip3 ofIterative curves iterative ->
                  let bounds = [| m.OptimalIwae; m.Ais |]

                  Gaps.Compute(
                      bounds,
                      m.Optimal,
                      cell.Bound(IterationBounds.Elbo t),
                      RandomStream(spec.Seed, RandomPurpose.Bootstrap)
                  ) ]

        let row
            inference
            (iteration: Cell)
            (optimal: BoundEstimate list)
            (inferred: BoundEstimate list)
            (gaps: Gaps list)
            =
            [ Text inference
              iteration
              Comparison.bound [ for gap in gaps -> gap.LogMarginal ]
              Comparison.bound optimal
              Comparison.bound inferred
              Comparison.gap _.Approximation gaps
              Comparison.gap _.Amortization gaps
              Comparison.gap _.Inference gaps ]

        let optimal measured = [ for m: Measurement in measured -> m.Optimal ]

        let frame =
            Frame.ofRows
                [ "inference"
                  "iterations"
                  "log p̂"
                  "L[q*]"
                  "L[q]"
                  "approximation gap"
                  "amortization gap"
                  "inference gap" ]
                [ yield
                      row
                          "standard"
                          Missing
                          (optimal ofStandard)
                          [ for m in ofStandard -> m.Inferred ]
                          [ for m in ofStandard -> m.Gaps ]
                  for t in iterations do
                      yield
                          row
                              "iterative"
                              (Integer t)
                              (optimal ofIterative)
                              [ for cell in curves -> cell.Bound(IterationBounds.Elbo t) ]
                              (gapsAt t) ]

        let powers = [ for power in 0..20 -> pown 2 power ]

        // N(0, I), where all begin, is hundreds of nats away.
        let chart =
            let later =
                frame |> Frame.filterRows (fun row -> Cell.number row["iterations"] |> Option.exists (fun t -> t > 0.))

            let level =
                let gap = (Frame.getColumn "amortization gap" frame)[0] |> Cell.number |> Option.get
                Chart.Line([ for t in [ 1; List.last iterations ] -> t, gap ], Name = "standard encoder")

            Chart.Combine [ later |> Chart.lineBy "iterations" "amortization gap" "inference"; level ]
            |> Chart.WithTitle "amortization gap"
            |> Chart.WithYTitle "nats"
            |> Chart.WithLogX
            |> Chart.WithLogY
            |> Chart.WithXTicks [ for t in List.takeWhile (fun t -> t <= List.last iterations) powers -> float t ]

        { Title = title
          Notes =
            [ for inference, measured in [ "standard", ofStandard; "iterative", ofIterative ] do
                  for m in measured do
                      for finding in m.Findings do
                          $"{inference}: {finding}"
              $"{Comparison.opening session} {gaps.Points} random test points, the same for every model; nats."
              "log p̂ and L[q*] are those of each model's own decoder; L[q] that of the encoder's q, and of the iterative network's after so many iterations from N(0, I)."
              $"The network was trained with {settings.Iterations} iterations; what comes later it was never trained for."
              (if session.Seeds.Length = 1 then
                   "± is the Monte-Carlo standard error for these points, [ ] the 95 % bootstrap interval over points."
               else
                   $"Averages over {session.Seeds.Length} seeds, each with its own models; ± is the standard error over seeds.")
              "The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side."
              yield! Origin.ofCells session (standard @ iterative) curves
              yield! IterativeModels.settingNotes (IterativeModels.longer "paper" IterativeModels.paper) settings ]
          Frame = frame
          Charts = [ chart ]
          Summaries =
            [ "Warm start: test images moved by one pixel, ELBO after iterations from N(0, I) and from the estimate of the image before it moved",
              warmStart session settings gaps.Points iterative ] }
