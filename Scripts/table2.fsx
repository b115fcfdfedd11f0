// Table 2 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018), FFG column:
// how far a VAE's approximate posterior is from the best one, and which part of that is the encoder's fault.
//
//   dotnet fsi Scripts/table2.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Workbench

/// The paper's FFG column: log p̂, L[q*], L[q]; approximation, amortization and inference gap.
let published =
    Map
        [ "binarized-mnist", [ -89.80; -91.23; -92.57; 1.43; 1.34; 2.77 ]
          "fashion-mnist", [ -97.47; -100.53; -104.75; 3.06; 4.22; 7.28 ] ]

/// The table of one data set.
let report (session: Session) settings dataset =
    let specs = Suboptimality.trainSpecs session settings dataset
    let splits = [ DataSplit.Train; DataSplit.Test ]

    let measurements =
        Suboptimality.measure
            session
            [ for split in splits do
                  for spec in specs -> settings, spec, split ]
        |> List.chunkBySize specs.Length

    /// One cell for training and one for test points; several seeds are averaged.
    let row name (one: Measurement -> Cell) (value: Measurement -> float) =
        name,
        [ for ofSeeds in measurements ->
              match ofSeeds with
              | [ single ] -> one single
              | several -> Averaged(Estimate.ofValues (List.map value several)) ]

    let bound name (estimate: Measurement -> BoundEstimate) =
        row name (fun m -> Cell.Estimate((estimate m).Mean, (estimate m).MonteCarloError)) (fun m -> (estimate m).Mean)

    let gap name (gap: Gaps -> Gap) =
        row name (fun m -> Interval((gap m.Gaps).Value, (gap m.Gaps).Low, (gap m.Gaps).High)) (fun m ->
            (gap m.Gaps).Value)

    let text name (text: Measurement list -> string) = name, [ for ofSeeds in measurements -> Text(text ofSeeds) ]

    let rows =
        [ bound "log p̂" _.Gaps.LogMarginal
          bound "L[q*]" _.Optimal
          bound "L[q]" _.Inferred
          gap "approximation gap" _.Approximation
          gap "amortization gap" _.Amortization
          gap "inference gap" _.Inference ]

    let paper =
        match Map.tryFind dataset published with
        | Some values -> List.map Value values
        | None -> rows |> List.map (fun _ -> Missing)

    let diagnostics =
        [ bound "IWAE of q*" _.OptimalIwae
          bound "AIS" _.Ais
          bound "IWAE of q" _.InferredIwae
          text "AIS acceptance" (fun ms ->
              let rates = ms |> Seq.collect _.AcceptanceRates
              $"{Seq.min rates:F2} to {Seq.max rates:F2}")
          text "local steps" (fun ms ->
              let mean = ms |> Seq.collect _.LocalSteps |> Seq.averageBy float
              $"{mean:F0} ({ms |> Seq.sumBy _.LocallyConverged} of {ms |> Seq.sumBy _.Points})") ]

    { Title = $"Inference gaps of a VAE on {dataset}, factorised Gaussian (FFG), in nats"
      Notes = Suboptimality.notes session settings specs (List.concat measurements)
      Frame =
        Frame.ofRows
            [ "nats"; "training points"; "test points"; "published" ]
            [ for (name, cells), paper in List.zip rows paper -> [ Text name ] @ cells @ [ paper ]
              for name, cells in diagnostics -> [ Text name ] @ cells @ [ Missing ] ]
      Charts = [] }

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Inference gaps of a VAE with a factorised Gaussian posterior.",
        fun session ->
            let settings = Suboptimality.preset session.Preset
            let usual = if session.Preset = "smoke" then "glyphs" else "binarized-mnist"

            for dataset in session.Datasets usual do
                session.Show(report session settings dataset)
    )
)
