namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments

/// Models of one data set with one kind of inference, one training run a seed.
type PerplexityCase =
    {
        Dataset: string
        Inference: string
        Settings: IterativeSettings
        Runs: TrainSpec list
        /// The published perplexity per document, if there is one.
        Published: float option
    }

/// Perplexities of test documents for kinds of inference.
module PerplexityTable =
    let private evaluation (case: PerplexityCase) (run: TrainSpec) =
        EvaluationSpec(
            Artifact = run,
            Measure = InferredBounds case.Settings.Gaps.ImportanceSamples,
            Split = DataSplit.Test,
            Points = case.Settings.Gaps.Points,
            Seed = run.Seed
        )

    /// Of each seed: with its standard error over documents for one seed, else the average with its standard error over seeds.
    let private cell (value: Perplexity -> float) (error: Perplexity -> float) (perplexities: Perplexity list) =
        match perplexities with
        | [ one ] -> Cell.Estimate(value one, error one)
        | several -> Averaged(Estimate.ofValues (several |> List.map value))

    let private both perplexities =
        [ cell _.PerDocument _.PerDocumentError perplexities; cell _.Corpus _.CorpusError perplexities ]

    /// The perplexity of a model without latent variables on the same test documents.
    let private unigram (session: Session) (case: PerplexityCase) =
        let run = case.Runs.Head
        let data = session.Data run.Data
        let points = data.Test.SubsetOrder case.Settings.Gaps.Points

        match data.Set.Splits.Train, data.Set.Splits.Test with
        | (:? CountSet as train), (:? CountSet as test) -> DocumentModels.unigram train test points
        | _ -> Cli.fail $"'{case.Dataset}' holds no documents."

    /// The report of cases.
    let report (session: Session) title (cases: PerplexityCase list) : Report =
        let wanted = [ for case in cases -> [ for run in case.Runs -> evaluation case run ] ]
        let cells = session.Evaluate(List.concat wanted) |> List.chunkBySize session.Seeds.Length

        let row dataset inference perplexities bounds published =
            [ Text dataset; Text inference ] @ both perplexities @ bounds @ [ published ]

        let frame =
            Frame.ofRows
                [ "data"; "inference"; "per document"; "corpus"; "L"; "log p̂"; "published, per document" ]
                [ for dataset, cases in List.zip cases cells |> List.groupBy (fun (case, _) -> case.Dataset) do
                      row
                          dataset
                          "none: frequencies of words"
                          [ unigram session (fst cases.Head) ]
                          [ Missing; Missing ]
                          Missing

                      for case, cells in cases do
                          let perplexities =
                              [ for cell in cells -> Perplexity.Of(cell.Values "iwae", cell.Values "words") ]

                          let bound name = Comparison.bound [ for cell in cells -> cell.Bound name ]

                          row
                              dataset
                              case.Inference
                              perplexities
                              [ bound "elbo"; bound "iwae" ]
                              (match case.Published with
                               | Some value -> Value value
                               | None -> Missing) ]

        let errors =
            if session.Seeds.Length = 1 then
                "± of perplexities is the standard error over documents, of nats the Monte-Carlo error for these documents."
            else
                $"Averages over {session.Seeds.Length} seeds, each with its own models; ± is the standard error over seeds."

        { Title = title
          Notes =
            [ Comparison.opening session
              $"Perplexities of {cases.Head.Settings.Gaps.Points} random test documents, the same for every model. Per document: exp of the average of -log p(x) / N over documents of N words (equation 63). Corpus: exp of -Σ log p(x) / Σ N."
              $"log p(x) is estimated by {cases.Head.Settings.Gaps.ImportanceSamples} importance samples, a lower bound (log p̂, nats a document), so both perplexities are upper bounds; the multinomial coefficient is left out."
              errors
              yield! Origin.ofCells session (cases |> List.collect _.Runs) (List.concat cells)
              for settings in cases |> List.map _.Settings |> List.distinct do
                  yield! DocumentModels.settingNotes settings ]
            |> List.distinct
          Frame = frame
          Charts = []
          Summaries = [] }
