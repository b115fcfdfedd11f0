namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Inference
open GapLab.Tensors

/// The gaps of ways of inference that were all trained for one decoder, which stays as it is.
module RefinementGaps =
    /// Test points whose q* is searched.
    let private points preset =
        match preset with
        | "smoke" -> 10
        | "small" -> 100
        | _ -> 1000

    let private steps preset = if preset = "smoke" then 3 else 20

    /// Step sizes for the mean over 50 datapoints. The paper's is 1, for decoders that hardly use z; posteriors that are narrow need smaller ones.
    let private stepSizes = [ 1.; 0.5; 0.2; 0.1; 0.05; 0.02 ]

    /// Steps with the paper's momentum and clipping.
    let private options preset stepSize = SemiAmortizedOptions(Iterations = steps preset, StepSize = stepSize)

    /// The ways of inference for the decoder of a training run, each with what trains its encoder.
    let private ways options (run: TrainSpec) =
        let encoder = run.Inference
        let steps start = SemiAmortized.Choice(start, options)
        let frozen inference rule = run.WithNewEncoder(run.Family, inference, rule)

        [ "VAE", frozen encoder (JointGradient.Choice(trainsModel = false))
          "SVI", frozen (steps (FixedStart.Choice())) (RefinedGradient.Choice(EncoderTarget.None, trainsModel = false))
          "VAE+SVI", frozen (steps encoder) (RefinedGradient.Choice(EncoderTarget.Elbo, trainsModel = false))
          "VAE+SVI+KL", frozen (steps encoder) (RefinedGradient.Choice(EncoderTarget.Divergence, trainsModel = false))
          "SA-VAE", frozen (steps encoder) (SemiAmortizedGradient.Choice(trainsModel = false)) ]

    /// The report for one data set.
    let report (session: Session) title (settings: SuboptimalitySettings) dataset : Report =
        let preset = session.Preset

        let settings =
            { settings with
                Points = min settings.Points (points preset)
                SimulatedPoints = 0
                OtherFamilies = [] }

        let decoders = Suboptimality.trainSpecs session (Suboptimality.parts settings) settings dataset

        let evaluation (run: TrainSpec) split measure =
            EvaluationSpec(Artifact = run, Measure = measure, Split = split, Points = settings.Points, Seed = run.Seed)

        // Where all images are trained with, as in the paper's setting, there are no others.
        let choosing =
            if settings.ValidationImages = Some 0 then
                DataSplit.Train
            else
                DataSplit.Validation

        let refined size =
            let steps = StepsFrom(options preset size, true)
            let measure = IterationBounds([| steps.Options.Iterations |], 100, null, steps)

            [ for run in decoders -> evaluation run choosing measure ], IterationBounds.Elbo steps.Options.Iterations

        let measures options (run: TrainSpec) =
            [ evaluation run DataSplit.Test (InferredBounds settings.ImportanceSamples)
              if run.Inference.Name = (SemiAmortized.Choice(run.Inference, options)).Name then
                  evaluation run DataSplit.Test (IterationBounds([| 0 |], settings.ImportanceSamples)) ]

        let wantedWith options =
            let ways = [ for decoder in decoders -> ways options decoder ]

            [ for i, (name, _) in List.indexed ways.Head ->
                  name, [ for ofDecoder in ways -> measures options (snd (List.item i ofDecoder)) ] ]

        // The time of steps does not depend on their size.
        session.Foresee(
            [ for run in decoders do
                  yield! Suboptimality.evaluations settings run DataSplit.Test
              for size in stepSizes do
                  yield! fst (refined size)
              for _, specs in wantedWith (options preset stepSizes.Head) do
                  yield! List.concat specs ]
        )

        // What is best for a datapoint does not depend on how q is found.
        let measured = Suboptimality.measure session [ for run in decoders -> settings, run, DataSplit.Test ]

        // One for all seeds, so that they are averages of one thing.
        let stepSize =
            let bound size =
                let evaluations, column = refined size
                session.Evaluate evaluations |> List.averageBy (fun cell -> (cell.Bound column).Mean)

            List.maxBy bound stepSizes

        let wanted = wantedWith (options preset stepSize)
        let specs = List.collect (snd >> List.concat) wanted
        let found = List.zip specs (session.Evaluate specs)

        let cellOf (spec: EvaluationSpec) =
            found |> List.find (fun (other, _) -> obj.ReferenceEquals(other, spec)) |> snd

        let gapsOf (inferred: BoundEstimate list) =
            [ for m, inferred, run in List.zip3 measured inferred decoders ->
                  Gaps.Compute(
                      [| m.OptimalIwae; m.Ais |],
                      m.Optimal,
                      inferred,
                      RandomStream(run.Seed, RandomPurpose.Bootstrap)
                  ) ]

        let frame =
            Frame.ofRows
                [ "inference"
                  "log p̂"
                  "L[q*]"
                  "L before the steps"
                  "L[q]"
                  "approximation gap"
                  "amortization gap"
                  "inference gap"
                  "L[q] minus the VAE's" ]
                [ let inferredOf specs = [ for ofRun in specs -> (cellOf (List.head ofRun)).Bound "elbo" ]
                  let baseline = inferredOf (snd wanted.Head)

                  for i, (name, specs) in List.indexed wanted do
                      let inferred = inferredOf specs
                      let gaps = gapsOf inferred

                      [ Text name
                        Comparison.bound [ for gap in gaps -> gap.LogMarginal ]
                        Comparison.bound [ for m in measured -> m.Optimal ]
                        (match specs with
                         | (_ :: [ _ ]) :: _ ->
                             Comparison.bound
                                 [ for spec in specs -> (cellOf (List.last spec)).Bound(IterationBounds.Elbo 0) ]
                         | _ -> Missing)
                        Comparison.bound inferred
                        Comparison.gap _.Approximation gaps
                        Comparison.gap _.Amortization gaps
                        Comparison.gap _.Inference gaps
                        (if i = 0 then Missing else Comparison.difference inferred baseline) ] ]

        let sizes = stepSizes |> List.map string |> String.concat ", "

        { Title = $"{title}, {dataset}"
          Notes =
            [ Comparison.opening session
              $"One decoder a seed, trained as a VAE and then left as it is; every encoder was trained for it anew, for as many epochs. {settings.Points} random test points, the same for every row; nats."
              $"SVI: {steps preset} steps from N(0, I). VAE+SVI: {steps preset} steps from an encoder that climbs its own ELBO; +KL: from one that approaches where the steps end; SA-VAE: from one that climbs the ELBO where they end, through the steps. Steps of size {stepSize} for the mean over 50 datapoints, the best of {sizes} for {settings.Points} {choosing.ToString().ToLowerInvariant()} points when they start at the encoder that was trained with the decoder (the paper has 1, for other decoders); momentum 0.5."
              "log p̂ is the larger of the averages of IWAE (of q*) and AIS, both lower bounds. Approximation gap: log p̂ - L[q*]; amortization gap: L[q*] - L[q]; for SVI, which has no encoder, it is what the limited number of steps loses."
              Comparison.note session
              yield!
                  Origin.ofCells
                      session
                      (decoders @ List.distinct [ for spec in specs -> spec.Artifact :?> TrainSpec ])
                      (List.map snd found)
              yield! Suboptimality.settingNotes [ settings ] ]
            |> List.distinct
          Frame = frame
          Charts = []
          Summaries = [] }
