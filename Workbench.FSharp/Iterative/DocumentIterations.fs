namespace GapLab.Workbench

open System
open GapLab.Data
open GapLab.Experiments

/// What each iteration of inference changes for documents.
module DocumentIterations =
    /// Samples of each ELBO.
    let private samples = 200

    /// The report on iterative models, one run a seed.
    let report (session: Session) title (settings: IterativeSettings) (runs: TrainSpec list) : Report =
        let iterations = [ 0 .. settings.Iterations ]

        let cells =
            session.Evaluate
                [ for run in runs ->
                      EvaluationSpec(
                          Artifact = run,
                          Measure = IterationBounds(List.toArray iterations, samples),
                          Split = DataSplit.Test,
                          Points = settings.Gaps.Points,
                          Seed = run.Seed
                      ) ]

        let elbo t (cell: MeasuredCell) = cell.Values(IterationBounds.Elbo t)
        let magnitude t (cell: MeasuredCell) = cell.Values(IterationBounds.GradientMagnitude t)

        /// In percent of the first estimate's ELBO, document by document.
        let improvement t cell =
            Array.map2 (fun first value -> 100. * (value - first) / abs first) (elbo 0 cell) (elbo t cell)

        /// Of one seed the average over documents with its error, of several the average over seeds.
        let average (values: MeasuredCell -> float array) =
            match cells with
            | [ one ] ->
                match Estimate.ofValues (values one) with
                | { StandardError = Some error } as estimate -> Cell.Estimate(estimate.Mean, error)
                | estimate -> Value estimate.Mean
            | several -> Averaged(Estimate.ofValues (several |> List.map (values >> Array.average)))

        let gradient, improved = "|∂L/∂μ|", "improvement of L, %"

        let frame =
            Frame.ofRows
                [ "iterations"; gradient; "L"; improved ]
                [ for t in iterations ->
                      [ Integer t
                        average (magnitude t)
                        Comparison.bound [ for cell in cells -> cell.Bound(IterationBounds.Elbo t) ]
                        average (improvement t) ] ]

        let line column =
            Chart.Line(Array.zip (Frame.col<float> "iterations" frame) (Frame.col<float> column frame), Name = column)
            |> Chart.WithXTitle "iterations"
            |> Chart.WithYTitle column

        { Title = title
          Notes =
            [ Comparison.opening session
              $"Of {settings.Gaps.Points} random test documents after 0 to {settings.Iterations} iterations from N(0, I), on the model that was trained with {settings.Iterations}. {gradient}: the average over documents and latent variables of the magnitude of the ELBO's gradient with respect to the means of q, estimated from 10 samples, whose noise keeps it from zero."
              $"L: the ELBO with {samples} samples, the same ones for every iteration, in nats. Improvement: (L - L of iteration 0) / |L of iteration 0|, averaged over documents; the paper's figure reaches about 25 %% on RCV1."
              if session.Seeds.Length = 1 then
                  "± is the standard error over documents, of L the Monte-Carlo error for these documents."
              else
                  $"Averages over {session.Seeds.Length} seeds, each with its own model; ± is the standard error over seeds."
              yield! Origin.ofCells session runs cells
              yield! DocumentModels.settingNotes settings ]
          Frame = frame
          Charts = [ line gradient; line improved ]
          Summaries = [] }
