namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments

/// Published numbers of a model: -L in nats, the KL term in it, perplexity.
type PublishedBound = { NegativeBound: float; Kl: float option; Perplexity: float option }

/// A model whose bounds are measured; one training run a seed.
type RefinedCase =
    { Refinement: Refinement
      Runs: TrainSpec list
      Published: PublishedBound option }

/// Bounds on -log p(x), KL terms and perplexities of models that were trained in different ways.
module RefinementTable =
    let private evaluation (settings: SemiAmortizedSettings) (measure: Measure) (run: TrainSpec) =
        EvaluationSpec(
            Artifact = run,
            Measure = measure,
            Split = DataSplit.Test,
            Points = settings.Points,
            Seed = run.Seed
        )

    /// Samples for KL terms, mutual information and active units.
    let private diagnosticSamples = 20

    /// The report of cases of one data set, the first of which is what differences are taken from.
    let report
        (session: Session)
        title
        (paper: SemiAmortizedSettings)
        (settings: SemiAmortizedSettings)
        (cases: RefinedCase list)
        : Report =
        let settings =
            { settings with
                Points = min settings.Points (session.Data cases.Head.Runs.Head.Data).Test.Count }

        let bounds = InferredBounds settings.Samples
        let diagnostics = Diagnostics diagnosticSamples
        let hasLatents case = case.Refinement <> Autoregressive

        let wanted =
            [ for case in cases do
                  for run in case.Runs do
                      evaluation settings bounds run

                      if hasLatents case then
                          evaluation settings diagnostics run ]

        let found = List.zip wanted (session.Evaluate wanted)

        let cellsOf (case: RefinedCase) (measure: Measure) =
            [ for run in case.Runs ->
                  found
                  |> List.find (fun (spec, _) ->
                      spec.Artifact.Key = run.Key && spec.Measure.Identity.Name = measure.Identity.Name)
                  |> snd ]

        let isText = (session.Data cases.Head.Runs.Head.Data).Set.HasSentences

        // Claims are about the first model and about the VAE.
        let baselines =
            cases
            |> List.indexed
            |> List.filter (fun (i, case) -> cases.Length > 1 && (i = 0 || case.Refinement = EncoderOnly))
            |> List.map snd

        let isPublished = cases |> List.exists _.Published.IsSome
        let elbos case = [ for cell in cellsOf case bounds -> cell.Bound "elbo" ]
        let negative = Comparison.negated
        let optional value = value |> Option.map Value |> Option.defaultValue Missing

        let perplexity case =
            Comparison.average
                [ for cell in cellsOf case bounds -> Perplexity.Of(cell.Values "elbo", cell.Values "words").Corpus ]

        let diagnostic (name: string) case =
            if hasLatents case then
                Comparison.average [ for cell in cellsOf case diagnostics -> cell.Scalars[name] ]
            else
                Missing

        let difference case baseline =
            if case = baseline then
                Missing
            else
                Comparison.difference (elbos baseline) (elbos case)

        let frame =
            Frame.ofRows
                [ "model"
                  "-L"
                  for baseline in baselines do
                      $"-L minus that of {RefinedModels.name baseline.Refinement}"
                  "KL"
                  if isText then
                      "perplexity"
                  "-log p̂"
                  "information"
                  "active units"
                  if isPublished then
                      yield! [ "published -L"; "published KL" ]

                      if isText then
                          "published perplexity" ]
                [ for case in cases ->
                      [ Text(RefinedModels.name case.Refinement)
                        negative (Comparison.bound (elbos case))
                        yield! List.map (difference case) baselines
                        diagnostic "meanKl" case
                        if isText then
                            perplexity case
                        negative (Comparison.bound [ for cell in cellsOf case bounds -> cell.Bound "iwae" ])
                        diagnostic "mutualInformation" case
                        (match diagnostic "activeUnits" case with
                         | Value units -> Integer(int64 units)
                         | other -> other)
                        if isPublished then
                            optional (case.Published |> Option.map _.NegativeBound)
                            optional (case.Published |> Option.bind _.Kl)

                            if isText then
                                optional (case.Published |> Option.bind _.Perplexity) ] ]

        { Title = title
          Notes =
            [ Comparison.opening session
              $"-L: minus the ELBO of the q that the model's own inference finds, an upper bound of -log p(x) in nats a datapoint, of {settings.Points} random test points, the same for every model, {settings.Samples} samples each. -log p̂: minus its importance-weighted bound."
              "KL: KL(q(z | x) ‖ p(z)), which is part of -L. Information: I_q(x; z) between z and which of these points x is. Active units: latent dimensions whose mean varies by more than 0.01 over them."
              if isText then
                  "Perplexity: exp of -Σ L / Σ words, ends of sentences counted: an upper bound."
              Comparison.note session
              if isPublished then
                  "The published numbers are the paper's, of other data and sizes unless no difference is listed."
              for case in cases do
                  match session.Store.FindArtifact case.Runs.Head with
                  | null -> ()
                  | artifact -> $"{RefinedModels.name case.Refinement}: {artifact.Description}"
              yield! Origin.ofCells session (cases |> List.collect _.Runs) (List.map snd found)
              yield! SemiAmortizedSettings.notes paper settings ]
            |> List.distinct
          Frame = frame
          Charts = []
          Summaries = [] }
