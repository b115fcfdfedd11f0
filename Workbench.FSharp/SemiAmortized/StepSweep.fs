namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments

/// Perplexities of language models by the number of steps that improve q at test time.
module StepSweep =
    /// From no steps to twice as many as in training.
    let private counts (settings: SemiAmortizedSettings) =
        let steps = settings.Steps

        [ 0; 1; 2; 5; 10; 15; 20; 30; 40 ]
        |> List.filter (fun t -> t <= 2 * steps)
        |> List.append [ steps; 2 * steps ]
        |> List.distinct
        |> List.sort

    /// The report for one data set.
    let report
        (session: Session)
        title
        (paper: SemiAmortizedSettings)
        (settings: SemiAmortizedSettings)
        dataset
        : Report =
        let steps = settings.Steps

        let models =
            [ for refinement in [ EncoderOnly; VaeSvi steps; VaeSviKl steps; SaVae steps; Svi steps ] ->
                  refinement, RefinedModels.trainSpecs session settings refinement dataset ]

        let test = (session.Data (snd models.Head).Head.Data).Test
        let points = min settings.Points test.Count
        let counts = counts settings

        let starts refinement =
            [ false
              match refinement with
              | Svi _ -> ()
              | _ -> true ]

        let measure fromEncoder =
            IterationBounds(
                List.toArray counts,
                settings.Samples,
                null,
                StepsFrom(RefinedModels.stepOptions settings steps, fromEncoder)
            )

        let cases =
            [ for refinement, runs in models do
                  for fromEncoder in starts refinement -> refinement, runs, fromEncoder ]

        let wanted =
            [ for _, runs, fromEncoder in cases ->
                  [ for run in runs ->
                        EvaluationSpec(
                            Artifact = run,
                            Measure = measure fromEncoder,
                            Split = DataSplit.Test,
                            Points = points,
                            Seed = run.Seed
                        ) ] ]

        let cells = session.Evaluate(List.concat wanted) |> List.chunkBySize session.Seeds.Length
        let lengths = (test.Subset points).Lengths

        let place fromEncoder = if fromEncoder then "the encoder's λ" else "N(0, I)"

        let frame =
            Frame.ofRows
                [ "model"; "start"; "steps"; "perplexity"; "-L" ]
                [ for (refinement, _, fromEncoder), cells in List.zip cases cells do
                      for t in counts do
                          let bounds = [ for cell in cells -> cell.Bound(IterationBounds.Elbo t) ]
                          let perplexities = [ for bound in bounds -> Perplexity.Of(bound.Values, lengths) ]

                          [ Text(RefinedModels.name refinement)
                            Text(place fromEncoder)
                            Integer t
                            Comparison.average [ for one in perplexities -> one.Corpus ]
                            Comparison.negated (Comparison.bound bounds) ] ]

        let chart fromEncoder =
            frame
            |> Frame.filterRows (fun row -> row["start"] = Text(place fromEncoder))
            |> Chart.lineBy "steps" "perplexity" "model"
            |> Chart.WithXTitle "steps at test time"
            |> Chart.WithYTitle "perplexity"
            |> Chart.WithTitle $"from {place fromEncoder}"

        { Title = $"{title}, {dataset}"
          Notes =
            [ Comparison.opening session
              $"Perplexity: exp of -Σ L / Σ words with the ELBO L of q after so many steps, an upper bound; {points} random test sentences, the same for every model, {settings.Samples} samples each. -L in nats a sentence. All models were trained with {steps} steps or none, and all take the same kind of steps here."
              Comparison.note session
              "The paper finds no gain beyond the number of steps of training, and that an SA-VAE without steps has a perplexity of 62.0 (60.4 with 20)."
              yield! Origin.ofCells session (models |> List.collect snd) (List.concat cells)
              yield! SemiAmortizedSettings.notes paper settings ]
            |> List.distinct
          Frame = frame
          Charts = [ chart false; chart true ]
          Summaries = [] }
