namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Distributions
open GapLab.Experiments

/// A kind of model whose bounds on log p(x) are measured; one training run a seed.
type BoundCase =
    {
        /// What tables say of it, column by column: the same columns for every case.
        Labels: (string * Cell) list
        Settings: IterativeSettings
        Runs: TrainSpec list
        /// The published -log p(x) in nats, or for pixels of 256 levels in bits for each number, if there is one.
        Published: float option
        /// The labels of the case that it is compared with; None for one that others are compared with.
        Baseline: (string * Cell) list option
    }

/// ELBO and importance-weighted bound of test points for kinds of models, each compared with another.
module BoundTable =
    /// Evaluated test points: as many as the settings say, if there are so many.
    let private points (session: Session) (case: BoundCase) =
        min case.Settings.Gaps.Points (session.Data case.Runs.Head.Data).Test.Count

    let private evaluation (session: Session) (case: BoundCase) (run: TrainSpec) =
        EvaluationSpec(
            Artifact = run,
            Measure = InferredBounds case.Settings.Gaps.ImportanceSamples,
            Split = DataSplit.Test,
            Points = points session case,
            Seed = run.Seed
        )

    let private nameOf (case: BoundCase) = case.Labels |> List.map (snd >> Cell.format) |> String.concat ", "

    /// The columns of the table after the labels.
    let elbo, marginal, difference, bitsPerDimension, published =
        "L", "log p̂", "log p̂ - baseline", "bits/dim", "published -log p"

    let private measure (session: Session) (cases: BoundCase list) =
        let wanted = [ for case in cases -> [ for run in case.Runs -> evaluation session case run ] ]
        let mutable cells = session.Evaluate(List.concat wanted)

        [ for case, own in List.zip cases wanted do
              let mine, rest = List.splitAt own.Length cells
              cells <- rest
              case, mine ]

    let private frame (session: Session) (measured: (BoundCase * MeasuredCell list) list) =
        let bounds name cells = [ for cell: MeasuredCell in cells -> cell.Bound name ]

        let against (case: BoundCase) cells =
            case.Baseline
            |> Option.map (fun labels ->
                let _, baseline = measured |> List.find (fun (other, _) -> other.Labels = labels)
                Comparison.difference (bounds "iwae" cells) (bounds "iwae" baseline))

        let isCompared = measured |> List.exists (fun (case, _) -> case.Baseline.IsSome)
        let isPublished = measured |> List.exists (fun (case, _) -> case.Published.IsSome)

        /// Numbers of an image of 256 levels.
        let levels (case: BoundCase) =
            if case.Settings.GaussianLogVariance.IsSome then
                Some (session.Data case.Runs.Head.Data).Set.PixelCount
            else
                None

        let hasLevels = measured |> List.exists (fun (case, _) -> (levels case).IsSome)

        let bits (case: BoundCase) cells =
            match levels case with
            | None -> Missing
            | Some dimensions ->
                let perDimension (bound: BoundEstimate) = OutputDistribution.BitsPerDimension(bound.Mean, dimensions)

                match bounds "iwae" cells with
                | [ one ] -> Value(perDimension one)
                | several -> Averaged(Estimate.ofValues (several |> List.map perDimension))

        Frame.ofRows
            [ yield! fst measured.Head |> _.Labels |> List.map fst
              elbo
              marginal
              if isCompared then
                  difference
              if hasLevels then
                  bitsPerDimension
              if isPublished then
                  published ]
            [ for case, cells in measured ->
                  [ yield! List.map snd case.Labels
                    Comparison.bound (bounds "elbo" cells)
                    Comparison.bound (bounds "iwae" cells)
                    if isCompared then
                        defaultArg (against case cells) Missing
                    if hasLevels then
                        bits case cells
                    if isPublished then
                        (match case.Published with
                         | Some value -> Value value
                         | None -> Missing) ] ]

    /// The report of cases; `charts` draws what the paper draws from the frame. `paper` gives the published settings in place of those that are used.
    let report
        (session: Session)
        title
        (paper: IterativeSettings -> IterativeSettings)
        (charts: Frame -> Chart list)
        (cases: BoundCase list)
        : Report =
        let measured = measure session cases
        let table = frame session measured
        let settings = cases |> List.map _.Settings |> List.distinct

        { Title = title
          Notes =
            [ $"{Comparison.opening session} Nats a datapoint."
              "L: the ELBO of the q that the model's own inference finds, of random test points, the same for every model. log p̂: its importance-weighted bound, a lower bound of log p(x)."
              for data, count, samples in
                  [ for case in cases ->
                        case.Runs.Head.Data.Name, points session case, case.Settings.Gaps.ImportanceSamples ]
                  |> List.distinct do
                  $"{data}: {count} points, {samples} samples each."
              if cases |> List.exists _.Published.IsSome then
                  "published -log p: an estimate of -log p(x) in nats, the negative of log p̂; for pixels of 256 levels in bits for each number, as bits/dim. The published bits belong to data scaled to [0, 1] by 255, ours to probabilities of the 256 levels."
              Comparison.note session
              for case, _ in measured do
                  match session.Store.FindArtifact case.Runs.Head with
                  | null -> ()
                  | artifact -> $"{nameOf case}: {artifact.Description}"
              yield! Origin.ofCells session (cases |> List.collect _.Runs) (measured |> List.collect snd)
              for used in settings do
                  let belongs =
                      if settings.Length = 1 then
                          ""
                      else
                          let names =
                              [ for case in cases do
                                    if case.Settings = used then
                                        nameOf case ]

                          $"""{String.concat "; " names}: """

                  // What varies is the experiment.
                  let varies (value: IterativeSettings -> int) = settings |> List.distinctBy value |> List.length > 1

                  let usual = paper used

                  let published =
                      { usual with
                          Iterations = (if varies _.Iterations then used else usual).Iterations
                          Samples = (if varies _.Samples then used else usual).Samples }

                  yield! IterativeModels.settingNotes published used |> List.map ((+) belongs) ]
            |> List.distinct
          Frame = table
          Charts = charts table
          Summaries = [] }
