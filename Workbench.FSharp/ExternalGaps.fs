namespace GapLab.Workbench

open GapLab.Data
open GapLab.Experiments

/// One setting of a sweep over how a model that was trained elsewhere is measured.
type private Sweeping =
    { Dataset: string
      Samples: int
      Steps: int
      Iterations: int
      Settings: SuboptimalitySettings }

/// Bounds and gaps of a model that was trained elsewhere: weights from a safetensors file, layers from a JSON file.
module ExternalGaps =
    /// The options that the report understands.
    let options =
        [ "weights"; "spec"; "dataset"; "preset"; "seed"; "family"; "samples"; "steps"; "iterations" ]
        @ Cli.annealing
        @ Cli.measuring

    /// The rows that say something of the encoder.
    let private encoderRows = [ "L[q]"; "amortization gap"; "inference gap"; "IWAE of q" ]

    /// What is measured of one model with one seed: the model is the same for all seeds. Without an encoder there is no q to measure.
    let private evaluations (model: ExternalModel) settings artifact seed =
        let all =
            [ for evaluation in Suboptimality.evaluations settings artifact DataSplit.Test ->
                  EvaluationSpec(
                      Artifact = evaluation.Artifact,
                      Measure = evaluation.Measure,
                      Split = evaluation.Split,
                      Points = evaluation.Points,
                      Seed = seed
                  ) ]

        if model.HasEncoder then all else List.tail all

    /// Where there is no encoder, q* stands in for q, and no row shows what would be made of it.
    let private measurement (model: ExternalModel) settings seed (cells: MeasuredCell list) =
        Measurement.ofCells settings seed (if model.HasEncoder then cells else cells.Head :: cells)

    /// Every setting of the command line: data sets x importance samples x AIS distributions x limits on local steps.
    let private sweep (session: Session) (model: ExternalModel) =
        let usual =
            { Suboptimality.settings session with
                OtherFamilies = session.Families [ "ffg" ] |> List.filter ((<>) "ffg") }

        // An unknown family is refused before any work.
        for family in usual.OtherFamilies do
            Suboptimality.family usual family |> ignore

        if usual.AisStart = AisStart.Posterior && not model.HasEncoder then
            Cli.fail "AIS can only start at an encoder's q, and the model has no encoder; leave --ais-start out."

        [ for dataset in Suboptimality.datasets session do
              for samples in session.Samples usual.ImportanceSamples do
                  for steps in session.Steps usual.Distributions do
                      for iterations in session.Iterations usual.LocalSteps do
                          { Dataset = dataset
                            Samples = samples
                            Steps = steps
                            Iterations = iterations
                            Settings =
                              { usual with
                                  ImportanceSamples = samples
                                  Distributions = steps
                                  LocalSteps = iterations } } ]

    /// How the bounds were measured, for the reader of a table. Settings that are swept are in the table itself.
    let private settingNotes (swept: string list) (settings: SuboptimalitySettings) =
        let given =
            [ "Samples", $"{settings.ImportanceSamples} importance samples"
              "Steps", $"AIS with {settings.Distributions} distributions"
              "", $"{settings.Chains} chains and {settings.LeapfrogSteps} leapfrog steps"
              "", Suboptimality.aisNote settings
              "Iterations", $"local optimisation of at most {settings.LocalSteps} steps"
              "", $"with {settings.LocalSamples} samples and the step size {settings.LocalStepSize}" ]

        [ for name, words in given do
              if not (List.contains name swept) then
                  words ]
        |> String.concat ", "

    let private notes (session: Session) (model: ExternalModel) (points: Sweeping list) swept measured =
        let settings = points.Head.Settings
        let weights, spec = session.ExternalModel
        let measurements: Measurement list = List.concat measured
        let several = session.Seeds.Length > 1
        let seeds = session.Seeds |> List.map string |> String.concat ", "
        let level = 100. * measurements.Head.Gaps.Level

        let description =
            match session.Store.FindArtifact(model.On points.Head.Dataset) with
            | null -> "a model that is no longer stored"
            | artifact -> artifact.Description

        [ yield! measurements |> List.collect _.Findings |> List.distinct
          $"Weights '{weights}' with the layers of '{spec}': {description}. What it was trained on, and how, is not known here."
          $"""Preset {session.Preset}, {(if several then "seeds" else "seed")} {seeds}: {settings.Points} random test points, the same for every seed. {settingNotes swept settings}."""
          if not settings.OtherFamilies.IsEmpty then
              $"Where q* is searched among flows, which takes long, the first {min settings.Points settings.FlowPoints} of them are evaluated."
          if settings.SimulatedPoints > 0 then
              $"Simulated points: {settings.SimulatedPoints} datapoints that the model itself makes. On them AIS with frozen steps is a certified lower bound on log p(x) and reverse AIS an upper one (BDMC): their difference bounds the error of AIS on such data, and says nothing of data that the model explains badly."
          (if several then
               $"Averages over {session.Seeds.Length} seeds of everything random; ± is the standard error over seeds."
           else
               $"± is the Monte-Carlo standard error for these points, [ ] the {level:F0} %% bootstrap interval over points.")
          if model.HasEncoder then
              "q is the encoder's posterior, q* the best factorised Gaussian for each point. log p̂ is the larger of the averages of IWAE of q* and AIS, both lower bounds on log p(x) in expectation. Approximation gap: log p̂ - L[q*]; amortization gap: L[q*] - L[q]; inference gap: their sum. The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side."
          else
              "The model has no encoder: q* is the best factorised Gaussian for each point, searched from N(0, I), and there is no amortization gap. log p̂ is the larger of the averages of IWAE of q* and AIS, both lower bounds on log p(x) in expectation. Approximation gap: log p̂ - L[q*], which errs to an unknown side."
          "Local steps: mean, and how many points met the stopping rule."
          for dataset in points |> List.map _.Dataset |> List.distinct do
              let data = (session.Data (model.On dataset).Data).Set
              $"Measured on {data.Provenance}."

              for file in data.Files do
                  $"{System.IO.Path.GetFileName file.Path}: sha256 of the unpacked bytes {file.Sha256}"
          for version in
              [ for m in measurements do
                    for p in m.Provenance -> $"GapLab {p.Version}, {p.Runtime}, {p.SimdBits}-bit vectors." ]
              |> List.distinct do
              version
          if measurements |> List.exists _.IsStale then
              "Some numbers were computed by another revision of the code; --recompute stale computes them anew." ]

    /// The rows of one point of a sweep: what varies, the quantity, its value on test points and on simulated ones.
    let private rowsOf (model: ExternalModel) (keys: (string * Cell) list) point (ofSeeds: Measurement list) =
        let variant = { Name = ""; Settings = point.Settings; Family = "ffg"; Published = [] }

        [ for name, cells in GapTable.rows variant None [ ofSeeds ] do
              if model.HasEncoder || not (List.contains name encoderRows) then
                  List.map snd keys @ [ Text name ] @ cells ]

    /// Measures the model of the command line. Everything is asked for at once, so that several processes can share the work.
    let report (session: Session) : Report =
        let model = ExternalModel.Read session.ExternalModel
        let points = sweep session model

        for dataset in points |> List.map _.Dataset |> List.distinct do
            model.Require (session.Data (model.On dataset).Data).Set

        let wanted =
            [ for point in points ->
                  let artifact = model.On point.Dataset
                  [ for seed in session.Seeds -> evaluations model point.Settings artifact seed ] ]

        let mutable cells = session.Evaluate(wanted |> List.concat |> List.concat)

        let measured =
            [ for point, ofSeeds in List.zip points wanted ->
                  [ for seed, own in List.zip session.Seeds ofSeeds do
                        let mine, rest = List.splitAt own.Length cells
                        cells <- rest
                        measurement model point.Settings seed mine ] ]

        let keys: (string * (Sweeping -> Cell)) list =
            [ "data", (fun point -> Text point.Dataset)
              "Samples", (fun point -> Integer(int64 point.Samples))
              "Steps", (fun point -> Integer(int64 point.Steps))
              "Iterations", (fun point -> Integer(int64 point.Iterations)) ]

        let varying = keys |> List.filter (fun (_, value) -> points |> List.distinctBy value |> List.length > 1)
        let swept = List.map fst varying

        let frame =
            Frame.ofRows
                (swept @ [ "nats"; "test points"; "simulated points" ])
                [ for point, ofSeeds in List.zip points measured do
                      yield! rowsOf model [ for name, value in varying -> name, value point ] point ofSeeds ]

        let gaps =
            frame
            |> Frame.filterRows (fun row -> List.contains (row.GetAs<string> "nats") GapTable.gapRows)
            |> Frame.addCol "case" (fun row ->
                match swept with
                | [] -> "all"
                | some -> some |> List.map (fun key -> $"{key} {Cell.format row[key]}") |> String.concat ", ")

        let shown =
            swept
            @ [ "nats"; "test points" ]
            @ (if points.Head.Settings.SimulatedPoints > 0 then [ "simulated points" ] else [])

        { Title =
            "Bounds and gaps of a model that was trained elsewhere"
            + (if List.contains "data" swept then "" else $", on {points.Head.Dataset}")
            + ", in nats"
          Notes = notes session model points swept measured
          Frame = Frame.sliceCols shown frame
          Charts =
            [ gaps
              |> Chart.barBy "nats" "test points" "case"
              |> Chart.WithTitle "Gaps of test points"
              |> Chart.WithYTitle "nats" ]
          Summaries = [] }
