namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments

/// What the latent variables of models say about their data, over the points of a sweep.
module DiagnosticsSweep =
    /// The measured columns, all but the last in nats.
    let private values = [ "KL"; "mutual information"; "marginal KL"; "active units" ]

    /// The variances over datapoints of each latent dimension's mean, the largest first; empty for results of other measures.
    let meanVariances (cell: MeasuredCell) =
        [ for scalar in cell.Scalars do
              if scalar.Key.StartsWith(Diagnostics.MeanVariancePrefix, StringComparison.Ordinal) then
                  scalar.Value ]
        |> List.sortDescending

    /// The sorted variances of models, each under its label, beside the threshold above which a latent dimension is active.
    let chart (models: (string * float list) list) =
        let largest = models |> List.map (fun (_, variances) -> variances.Length) |> List.fold max 1

        Chart.Combine
            [ for label, variances in models do
                  Chart.Line(List.indexed variances |> List.map (fun (rank, v) -> rank + 1, v), Name = label)

              let threshold = PosteriorDiagnostics.ActiveVariance
              Chart.Line([ 1, threshold; largest, threshold ], Name = $"active above {threshold}") ]
        |> Chart.WithTitle "Variance of each latent dimension's mean"
        |> Chart.WithXTitle "latent dimension, sorted"
        |> Chart.WithYTitle "Var E[z | x]"
        |> Chart.WithLogY

    let private estimate (cell: MeasuredCell) value error =
        match cell.Scalars.TryGetValue value, cell.Scalars.TryGetValue error with
        | (true, value), (true, error) -> Estimate(value, error)
        | (true, value), _ -> Value value
        | _ -> Missing

    /// The report of models, measured on as many of their test points as there are, at most a number.
    let report (session: Session) (points: int) (models: (ModelName * TrainSpec) list) : Report =
        let evaluations =
            [ for _, spec in models ->
                  EvaluationSpec(
                      Artifact = spec,
                      Measure = Diagnostics(),
                      Points = min points (session.Data spec.Data).Test.Count,
                      Split = DataSplit.Test,
                      Seed = spec.Seed
                  ) ]

        let cells = session.Evaluate evaluations

        let table =
            Sweep.beside
                (Frame.ofRecords (List.map fst models))
                (Frame.ofColumns
                    [ "KL" => [ for cell in cells -> estimate cell "meanKl" "meanKlError" ]
                      "mutual information"
                      => [ for cell in cells -> estimate cell "mutualInformation" "mutualInformationError" ]
                      "marginal KL" => [ for cell in cells -> estimate cell "marginalKl" "" ]
                      "active units" => [ for cell in cells -> Integer(int64 cell.Scalars["activeUnits"]) ] ])
            |> Sweep.table session values

        let counts = evaluations |> List.map _.Points |> List.distinct

        { Title = "What the latent variables say about the data"
          Notes =
            [ yield! table.Notes
              for count in counts do
                  yield
                      $"{count} random test points: the mutual information, between z and which of them it came from, is at most log {count} = {Cell.nats (log (float count))} nats."
              if session.Seeds.Length = 1 then
                  yield "± is the Monte-Carlo standard error for these points."
              yield
                  $"In nats: KL is the mean of KL(q(z | x) || p(z)), marginal KL = KL - mutual information = KL(q(z) || p(z)). A latent dimension is active if the variance of its mean over the points exceeds {PosteriorDiagnostics.ActiveVariance}."
              if cells |> List.exists _.IsStale then
                  yield
                      "Some numbers were computed by another revision of the code; --recompute stale computes them anew." ]
          Frame = table.Frame
          Charts = [ chart (List.zip (Sweep.labels (List.map fst models)) (List.map meanVariances cells)) ]
          Summaries = [] }
