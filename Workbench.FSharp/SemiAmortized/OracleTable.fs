namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Inference
open GapLab.Models

/// Bounds on -log p(x) of sentences whose true distribution is known.
module OracleTable =
    /// The generator of the sentences itself, whose posterior is searched from the prior.
    let private truth (settings: SemiAmortizedSettings) options dataset seed =
        let vae = RefinedModels.withOracle settings options EncoderOnly dataset seed

        TrainSpec(
            Data = vae.Data,
            Model = vae.Model,
            Family = vae.Family,
            Inference = FixedStart.Choice(),
            Rule = vae.Rule,
            Schedule = vae.Schedule,
            Seed = seed
        )

    /// Chains and inverse temperatures of AIS.
    let private ais preset =
        match preset with
        | "smoke" -> AisOptions(Chains = 5, Betas = AnnealingSchedule.Linear 30)
        | _ -> AisOptions(Chains = 20, Betas = AnnealingSchedule.Linear 200)

    /// AIS takes long: test points, the first ones, that it is run for.
    let private aisPoints = 100

    /// Published -L: with the oracle's generator, with a learned one.
    let private published = [ EncoderOnly, (21.77, 27.06); Svi 20, (22.33, 25.82); SaVae 20, (20.13, 25.21) ]

    let private publishedTruth = 19.63

    /// The report.
    let report (session: Session) title (paper: SemiAmortizedSettings) (settings: SemiAmortizedSettings) : Report =
        let options =
            match settings.Data with
            | OfOracle options -> options
            | _ -> Cli.fail "The sentences of this table are the oracle's."

        let dataset = DataSets.Oracle
        let refinements = [ EncoderOnly; Svi settings.Steps; SaVae settings.Steps ]
        let seeds = session.Seeds

        let aisPoints = min aisPoints settings.Points

        let evaluationOf points measure run =
            EvaluationSpec(Artifact = run, Measure = measure, Split = DataSplit.Test, Points = points, Seed = run.Seed)

        let evaluation measure run = evaluationOf settings.Points measure run

        let bounds = InferredBounds settings.Samples

        let runs =
            [ for refinement in refinements ->
                  [ for seed in seeds -> RefinedModels.withOracle settings options refinement dataset seed ],
                  [ for seed in seeds -> RefinedModels.trainSpec settings refinement dataset seed ] ]

        let truths = [ for seed in seeds -> truth settings options dataset seed ]

        let groups =
            [ for oracle, learned in runs do
                  [ for run in oracle -> evaluation bounds run ]
                  [ for run in learned -> evaluation bounds run ]
              [ for run in truths -> evaluation bounds run ]
              [ for run in truths -> evaluationOf aisPoints (AnnealedBound(ais session.Preset)) run ] ]

        let cells = session.Evaluate(List.concat groups) |> List.chunkBySize seeds.Length

        let bound name group = [ for cell: MeasuredCell in cells[group] -> cell.Bound name ]
        let negative = Comparison.bound >> Comparison.negated

        let averaged values = Comparison.negated (Comparison.average values)

        let frame =
            Frame.ofRows
                [ "model"
                  "oracle generator"
                  "published"
                  "minus the VAE's"
                  "learned generator"
                  "published, learned"
                  "minus the VAE's, learned" ]
                [ for row, refinement in List.indexed refinements do
                      let oracle, learned = bound "elbo" (2 * row), bound "elbo" (2 * row + 1)

                      let given choose =
                          published
                          |> List.tryFind (fst >> (=) refinement)
                          |> Option.map (snd >> choose >> Value)
                          |> Option.defaultValue Missing

                      let difference index own =
                          if row = 0 then Missing else Comparison.difference (bound "elbo" index) own

                      [ Text(RefinedModels.name refinement)
                        negative oracle
                        given fst
                        difference 0 oracle
                        negative learned
                        given snd
                        difference 1 learned ]

                  let last = 2 * refinements.Length

                  [ Text $"true, {settings.Samples} samples of the prior"
                    negative (bound "iwae" last)
                    Value publishedTruth
                    Missing
                    Missing
                    Missing
                    Missing ]

                  [ Text $"the same for the first {aisPoints} points"
                    averaged
                        [ for estimate in bound "iwae" last ->
                              estimate.Values |> Array.truncate aisPoints |> Array.average ]
                    Missing
                    Missing
                    Missing
                    Missing
                    Missing ]

                  [ Text $"AIS for the first {aisPoints} points"
                    negative (bound "ais" (last + 1))
                    Missing
                    Missing
                    Missing
                    Missing
                    Missing ] ]

        { Title = title
          Notes =
            [ Comparison.opening session
              $"-L: minus the ELBO, an upper bound of -log p(x) in nats a sentence, of {settings.Points} test sentences, the same for every model, {settings.Samples} samples each. Inference for the oracle generator is trained with that generator, which stays as it is; a learned one is trained together with its inference."
              $"True: estimates of -log p(x) under the generator that made the sentences, -log of the average of p(x | z) over samples of the prior, and annealed importance sampling; both exceed the truth on average."
              $"The paper does not say how the generator's weights were drawn. Here embeddings, weights of the LSTM and weights from its state to words are uniform on ±{options.Range}, weights from z to words on ±{options.LatentRange}, by seed {options.Seed}; words are predicted by one linear map of the state and z."
              Comparison.note session
              yield! Origin.ofCells session (runs |> List.collect (fun (a, b) -> a @ b)) (List.concat cells)
              yield! SemiAmortizedSettings.notes paper settings ]
            |> List.distinct
          Frame = frame
          Charts = []
          Summaries = [] }
