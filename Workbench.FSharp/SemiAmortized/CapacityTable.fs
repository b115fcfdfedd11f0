namespace GapLab.Workbench

open GapLab.Data
open GapLab.Experiments

/// What steps and their derivatives gain over an encoder, by the number of training datapoints and the capacity of the decoder.
module CapacityTable =
    /// Shares of the training datapoints, and decoders from the first layers of the settings' own.
    let private designs (settings: SemiAmortizedSettings) (available: int) (layers: ImageLayers) =
        let all = defaultArg settings.TrainingPoints available
        let full = layers.Kernels.Length

        [ for share in [ 4; 2; 1 ] -> max settings.BatchSize (all / share), full
          for depth in List.distinct [ 1; max 1 (full / 2) ] -> all, depth ]
        |> List.distinct

    /// The report for one data set.
    let report
        (session: Session)
        title
        (paper: SemiAmortizedSettings)
        (settings: SemiAmortizedSettings)
        dataset
        : Report =
        let layers =
            match settings.Data with
            | OfImages layers -> layers
            | _ -> Cli.fail "Capacity is that of models of images."

        let refinements = [ EncoderOnly; SaVae settings.Steps ]
        let first = RefinedModels.trainSpecs session settings EncoderOnly dataset
        let data = session.Data first.Head.Data
        let points = min settings.Points data.Test.Count

        let cases =
            [ for count, depth in designs settings data.Train.Count layers ->
                  let own =
                      { settings with
                          TrainingPoints = Some count
                          Data = OfImages { layers with Kernels = List.truncate depth layers.Kernels } }

                  count,
                  depth,
                  [ for refinement in refinements -> RefinedModels.trainSpecs session own refinement dataset ] ]

        let evaluation (measure: Measure) (run: TrainSpec) =
            EvaluationSpec(Artifact = run, Measure = measure, Split = DataSplit.Test, Points = points, Seed = run.Seed)

        let bounds, diagnostics = InferredBounds settings.Samples, Diagnostics 20

        let wanted =
            [ for _, _, groups in cases do
                  for runs in groups do
                      [ for run in runs -> evaluation bounds run ]
                      [ for run in runs -> evaluation diagnostics run ] ]

        let cells = session.Evaluate(List.concat wanted) |> List.chunkBySize session.Seeds.Length

        let frame =
            Frame.ofRows
                [ "training datapoints"
                  "layers"
                  "-L of the VAE"
                  "-L of the SA-VAE"
                  "difference"
                  "KL of the VAE"
                  "KL of the SA-VAE" ]
                [ for (count, depth, _), found in List.zip cases (List.chunkBySize 4 cells) do
                      let elbos group = [ for cell: MeasuredCell in List.item group found -> cell.Bound "elbo" ]

                      let kl group =
                          Comparison.average [ for cell in List.item group found -> cell.Scalars["meanKl"] ]

                      [ Integer(int64 count)
                        Integer(int64 depth)
                        Comparison.negated (Comparison.bound (elbos 0))
                        Comparison.negated (Comparison.bound (elbos 2))
                        Comparison.difference (elbos 0) (elbos 2)
                        kl 1
                        kl 3 ] ]

        let runs = [ for _, _, groups in cases -> List.concat groups ] |> List.concat

        { Title = $"{title}, {dataset}"
          Notes =
            [ Comparison.opening session
              $"-L: minus the ELBO of the q that the model's own inference finds, nats, {points} random test points, {settings.Samples} samples each. Difference: of the SA-VAE's -L from the VAE's; negative is better. All train for the same number of epochs, so that fewer datapoints are fewer steps."
              "Layers: how many of the decoder's layers it has, from the first on."
              Comparison.note session
              yield! Origin.ofCells session runs (List.concat cells)
              yield! SemiAmortizedSettings.notes paper settings ]
            |> List.distinct
          Frame = frame
          Charts = []
          Summaries = [] }
