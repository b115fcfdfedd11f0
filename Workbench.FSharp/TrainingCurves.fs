namespace GapLab.Workbench

open System.Globalization
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments

/// A kind of training run whose bounds are followed from epoch to epoch; one run a seed.
type CurvedTraining =
    {
        Dataset: string
        /// What tables call the family, such as FFG.
        Family: string
        Settings: SuboptimalitySettings
        Runs: TrainSpec list
        /// AIS - ELBO of the training points at the end, as the paper prints it.
        PublishedGap: float option
    }

/// Bounds of training and test points while a model is trained: what an encoder, and what a decoder, has learnt of its training data only.
module TrainingCurves =
    /// The bounds of one model at the points of one split.
    type private Bounds = { Elbo: BoundEstimate; Iwae: BoundEstimate; Ais: BoundEstimate }

    /// What was measured of one kind of training run: for each seed, the bounds of training and of test points at each epoch.
    type private Curve =
        { Training: CurvedTraining
          Images: string
          Epochs: int list
          BySeed: Map<int * DataSplit, Bounds> list }

        member curve.Last = List.last curve.Epochs

    let private splits = [ DataSplit.Train, "train"; DataSplit.Test, "test" ]

    let private bounds: (string * (Bounds -> BoundEstimate)) list = [ "AIS", _.Ais; "IWAE", _.Iwae; "ELBO", _.Elbo ]

    /// Epochs 1, 2, 5, 10, 20, 50 and so on, and the last one.
    let snapshotEpochs (last: int) =
        Seq.initInfinite (fun i -> [ 1; 2; 5 ][i % 3] * pown 10 (i / 3))
        |> Seq.takeWhile (fun epoch -> epoch < last)
        |> Seq.toList
        |> fun before -> before @ [ last ]

    /// What is measured of a run's snapshot at a split: ELBO and IWAE in one evaluation, AIS in the other.
    let private evaluations (settings: SuboptimalitySettings) (snapshot: TrainSpec) split =
        let evaluation (measure: Measure) =
            EvaluationSpec(
                Artifact = snapshot,
                Measure = measure,
                Split = split,
                Points = settings.Points,
                Seed = snapshot.Seed
            )

        [ evaluation (InferredBounds settings.ImportanceSamples); evaluation (Suboptimality.annealedBound settings) ]

    /// Trains and measures: everything is asked for at once, so that several processes can share the work. Gives all results, too.
    let private measure (session: Session) (trainings: CurvedTraining list) =
        let epochs (training: CurvedTraining) = snapshotEpochs training.Settings.Schedule.Epochs

        let planned =
            [ for training in trainings ->
                  [ for run in training.Runs ->
                        [ for epoch, snapshot in
                              List.zip (epochs training) (List.ofSeq (run.Snapshots(epochs training))) do
                              for split, _ in splits -> (epoch, split), evaluations training.Settings snapshot split ] ] ]

        let cells = planned |> List.concat |> List.concat |> List.collect snd |> session.Evaluate
        let mutable left = cells

        let next (place, own: EvaluationSpec list) =
            let mine, rest = List.splitAt own.Length left
            left <- rest

            place,
            { Elbo = mine[0].Bound "elbo"
              Iwae = mine[0].Bound "iwae"
              Ais = mine[1].Bound "ais" }

        let curves =
            [ for training, ofSeeds in List.zip trainings planned do
                  let count = (session.Data training.Runs.Head.Data).Train.Count

                  { Training = training
                    Images = count.ToString("N0", CultureInfo.InvariantCulture)
                    Epochs = epochs training
                    BySeed = [ for places in ofSeeds -> Map(List.map next places) ] } ]

        curves, cells

    /// A number with its Monte-Carlo error for each seed, as one cell.
    let private cell (ofSeeds: (float * float) list) =
        match ofSeeds with
        | [ value, error ] -> Estimate(value, error)
        | several -> Averaged(Estimate.ofValues (List.map fst several))

    let private frame (curves: Curve list) =
        Frame.ofRows
            [ "data"; "images"; "family"; "epoch"; "split"; "bound"; "nats" ]
            [ for curve in curves do
                  for epoch in curve.Epochs do
                      for split, part in splits do
                          for name, bound in bounds do
                              let ofSeeds =
                                  [ for seed in curve.BySeed ->
                                        let estimate = bound seed[epoch, split]
                                        estimate.Mean, estimate.MonteCarloError ]

                              [ Text curve.Training.Dataset
                                Text curve.Images
                                Text curve.Training.Family
                                Integer epoch
                                Text part
                                Text name
                                cell ofSeeds ] ]

    let private difference (a: BoundEstimate) (b: BoundEstimate) =
        a.Mean - b.Mean, sqrt (a.MonteCarloError ** 2. + b.MonteCarloError ** 2.)

    /// The epoch with the best AIS of the test points.
    let private bestEpoch (curve: Curve) (seed: Map<int * DataSplit, Bounds>) =
        curve.Epochs |> List.maxBy (fun epoch -> seed[epoch, DataSplit.Test].Ais.Mean)

    let private summary (curves: Curve list) =
        Frame.ofRows
            [ "data"
              "images"
              "family"
              "training gap"
              "published"
              "test gap"
              "encoder overfitting"
              "decoder overfitting"
              "best epoch" ]
            [ for curve in curves do
                  let over value = [ for seed in curve.BySeed -> value seed ] |> cell

                  let gap split =
                      over (fun seed -> difference seed[curve.Last, split].Ais seed[curve.Last, split].Elbo)

                  [ Text curve.Training.Dataset
                    Text curve.Images
                    Text curve.Training.Family
                    gap DataSplit.Train
                    (match curve.Training.PublishedGap with
                     | Some gap -> Value gap
                     | None -> Missing)
                    gap DataSplit.Test
                    over (fun seed ->
                        difference seed[curve.Last, DataSplit.Test].Ais seed[curve.Last, DataSplit.Test].Iwae)
                    over (fun seed ->
                        match bestEpoch curve seed with
                        | best when best = curve.Last -> 0., 0.
                        | best -> difference seed[best, DataSplit.Test].Ais seed[curve.Last, DataSplit.Test].Ais)
                    Text(curve.BySeed |> List.map (bestEpoch curve >> string) |> List.distinct |> String.concat ", ") ] ]

    /// A colour a bound, dashed for test points. The first epochs, where all are low, are cut off.
    let private chart (curve: Curve) =
        let value epoch split bound =
            curve.BySeed |> List.averageBy (fun seed -> (bound seed[epoch, split]: BoundEstimate).Mean)

        let lines =
            [ for place, (name, bound) in List.indexed bounds do
                  for split, part in splits ->
                      place,
                      split = DataSplit.Test,
                      $"{name}, {part}",
                      [ for epoch in curve.Epochs -> epoch, value epoch split bound ] ]

        let shown =
            [ for _, _, _, points in lines do
                  yield! points |> List.skip (points.Length / 2) |> List.map snd ]

        let low, high = List.min shown, List.max shown
        let margin = 0.05 * (high - low) + 0.1

        Chart.Combine [ for _, _, name, points in lines -> Chart.Line(points, Name = name) ]
        |> Chart.WithColors [ for place, _, _, _ in lines -> place ]
        |> Chart.WithDashes [ for _, isDashed, _, _ in lines -> isDashed ]
        |> Chart.WithTitle $"{curve.Training.Family}, {curve.Images} images of {curve.Training.Dataset}"
        |> Chart.WithXTitle "epoch"
        |> Chart.WithYTitle "nats"
        |> Chart.WithYRange(low - margin, high + margin)
        |> Chart.WithLogX
        |> Chart.WithXTicks [ for epoch in curve.Epochs -> float epoch ]

    /// Settings that differ from the paper's, of those that matter here. Few training images are part of the experiment.
    let private settingNotes (trainings: CurvedTraining list) =
        let paper = Suboptimality.paper

        Suboptimality.settingNotes
            [ for training in trainings ->
                  { training.Settings with
                      TrainingImages = trainings.Head.Settings.TrainingImages
                      FlowPoints = paper.FlowPoints
                      SimulatedPoints = paper.SimulatedPoints
                      LocalSamples = paper.LocalSamples
                      LocalStepSize = paper.LocalStepSize
                      FlowStepSize = paper.FlowStepSize
                      LocalSteps = paper.LocalSteps
                      FlowSteps = paper.FlowSteps } ]

    /// How far AIS can be trusted: it bounds log p(x) better than IWAE where it has converged.
    let private cautions (curves: Curve list) =
        let measurements =
            [ for curve in curves do
                  for seed in curve.BySeed do
                      yield! Map.values seed ]

        match
            measurements |> List.filter (fun m -> MarginalCheck.Score(m.Ais, m.Iwae) < -MarginalCheck.LargestScore)
        with
        | [] -> []
        | some ->
            [ $"Caution: in {some.Length} of {measurements.Length} measurements AIS lies more than {MarginalCheck.LargestScore} standard errors below the IWAE of q; it has not converged there, and gaps that are computed from it are too small." ]

    /// The report of kinds of training runs, the first with the settings that all are compared by.
    let report (session: Session) (title: string) (trainings: CurvedTraining list) : Report =
        let curves, cells = measure session trainings
        let seeds = session.Seeds |> List.map string |> String.concat ", "

        let datasets = trainings |> List.map _.Dataset |> List.distinct

        // What does not vary goes into the title.
        let summary =
            let whole = summary curves

            if datasets.Length > 1 then
                whole
            else
                Frame.sliceCols (List.except [ "data" ] (List.ofSeq whole.ColumnKeys)) whole

        { Title = if datasets.Length > 1 then title else $"{title} on {datasets.Head}"
          Notes =
            [ yield! cautions curves
              $"""Preset {session.Preset}, {(if session.Seeds.Length > 1 then "seeds" else "seed")} {seeds}. {trainings.Head.Settings.Points} random training and test points, the same for every seed and epoch."""
              (if session.Seeds.Length > 1 then
                   $"Averages over {session.Seeds.Length} seeds, each with its own model; ± is the standard error over seeds."
               else
                   "± is the Monte-Carlo standard error for these points.")
              $"ELBO and IWAE-{trainings.Head.Settings.ImportanceSamples} of the encoder's q, which sees the encoder, and AIS, which does not: {Suboptimality.aisNote trainings.Head.Settings}."
              "Training gap and test gap: AIS - ELBO after the last epoch; the published ones are read as this. Encoder overfitting: AIS - IWAE of the test points after the last epoch. Decoder overfitting: how far AIS of the test points has fallen since its best epoch; the best of several noisy numbers is a little too good."
              for curve in curves do
                  let stages =
                      curve.Training.Settings.Schedule.Stages
                      |> Seq.map (fun stage -> $"{stage.Epochs} at {stage.LearningRate:G4}")
                      |> String.concat ", "

                  $"{curve.Training.Family}, {curve.Images} training images of {curve.Training.Dataset}: epochs {stages}; entropy annealing over {curve.Training.Settings.AnnealingEpochs}."
              yield! Origin.ofCells session (trainings |> List.collect _.Runs) cells
              yield! settingNotes trainings ]
          Frame = frame curves
          Charts = List.map chart curves
          Summaries = [ "Gaps and overfitting after the last epoch, in nats", summary ] }
