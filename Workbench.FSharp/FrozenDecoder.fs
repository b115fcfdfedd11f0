namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Specification
open GapLab.Tensors

/// An encoder that is trained for a decoder that no longer changes.
type NewEncoder =
    {
        /// What the table calls it, such as FFG.
        Name: string
        Family: Component<FamilyContext, VariationalFamily>
        Inference: Component<InferenceContext, InferenceMethod>
        /// What the paper says of it: data set, row, value.
        Published: (string * (string * float) list) list
    }

/// One decoder, several encoders and families: what they lose is then theirs alone.
module FrozenDecoder =
    /// What is measured of an encoder. AIS from the prior, and BDMC, see the decoder alone: what they give for the run that trained it holds for every encoder.
    let private evaluations settings (decoder: TrainSpec) spec split =
        [ for evaluation in Suboptimality.evaluations settings spec split ->
              match evaluation.Measure with
              | :? AnnealedBound
              | :? BidirectionalBound when settings.AisStart = AisStart.Prior ->
                  EvaluationSpec(
                      Artifact = decoder,
                      Measure = evaluation.Measure,
                      Split = evaluation.Split,
                      Points = evaluation.Points,
                      Seed = evaluation.Seed
                  )
              | _ -> evaluation ]

    /// The gaps of encoders that share a decoder, and so log p(x): log p̂ is the best bound that was found with any of them. Measurements are by encoder, split
    /// and seed.
    let private shareLogMarginal (seeds: uint64 list) (measured: Measurement list list list) =
        let bounds split seed =
            let ofEncoders = [ for encoder in measured -> encoder |> List.item split |> List.item seed ]

            [| for m in ofEncoders do
                   m.OptimalIwae
                   m.Ais
                   yield! List.map snd m.Others |]

        let gaps split seed (m: Measurement) =
            let resampling = RandomStream(seeds[seed], RandomPurpose.Bootstrap)

            { m with
                Gaps = Gaps.Compute(bounds split seed, m.Optimal, m.Inferred, resampling) }

        [ for encoder in measured -> encoder |> List.mapi (fun split ofSeeds -> List.mapi (gaps split) ofSeeds) ]

    let private remarks =
        [ "The decoder is that of the FFG model of Table 2, which stays as it is while a new encoder and family are trained for it. log p̂ is a property of the decoder, so here it is one number for all encoders: the largest of AIS and of the IWAE of every q*."
          "The paper does not say how long the new encoders are trained: they have the same schedule, entropy annealing and batches as the decoder had." ]

    /// The table of encoders that are trained for the decoder of the paper's own model of each data set. Everything is asked for at once, so that
    /// several processes can share the work.
    let report
        (session: Session)
        (title: string)
        (settings: SuboptimalitySettings)
        (encoders: NewEncoder list)
        (datasets: string list)
        : Report =
        // One log p̂ for all encoders needs the same points for all.
        let points = encoders |> List.map (fun encoder -> Suboptimality.points settings encoder.Family) |> List.min
        let settings = { settings with Points = points }

        let models =
            [ for dataset in datasets do
                  let decoders = Suboptimality.trainSpecs session (Suboptimality.parts settings) settings dataset

                  for encoder in encoders ->
                      dataset,
                      encoder,
                      [ for decoder in decoders -> decoder, decoder.WithNewEncoder(encoder.Family, encoder.Inference) ] ]

        let wanted =
            [ for _, _, runs in models do
                  for split in GapTable.splits do
                      for decoder, spec in runs -> evaluations settings decoder spec split ]

        let mutable cells = session.Evaluate(List.concat wanted)

        let measured =
            [ for evaluations in wanted do
                  let own, rest = List.splitAt evaluations.Length cells
                  cells <- rest
                  Measurement.ofCells settings evaluations.Head.Seed own ]
            |> List.chunkBySize session.Seeds.Length
            |> List.chunkBySize GapTable.splits.Length
            |> List.chunkBySize encoders.Length
            |> List.collect (shareLogMarginal session.Seeds)

        [ for (dataset, encoder, runs), own in List.zip models measured do
              let variant =
                  { Name = encoder.Name
                    Family = encoder.Family.Name
                    Settings = settings
                    Published = encoder.Published }

              dataset, variant, List.map snd runs, own ]
        |> GapTable.table session title remarks
