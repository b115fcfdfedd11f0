namespace GapLab.Workbench

open GapLab.Experiments

/// What the options --dataset, --model, --family, --method and --seed say of one model.
type ModelName =
    { Dataset: string; Model: string; Family: string; Method: string; Seed: uint64 }

/// The rows of a sweep as they are shown.
type SweepTable =
    {
        Frame: Frame
        /// The keys that vary, without the seed.
        Varying: string list
        /// The keys that do not vary, with their values; and what was averaged.
        Notes: string list
    }

/// The models that a command line names, and tables of what was measured of them.
module Sweep =
    /// The options that `models` understands.
    let modelOptions = [ "dataset"; "preset"; "seed"; "model"; "family"; "method" ]

    /// Every data set x decoder x family x inference method x seed of the command line, with its training run.
    let models (session: Session) (settings: SuboptimalitySettings) : (ModelName * TrainSpec) list =
        let usualModel = settings.Hidden |> List.map string |> String.concat "-"

        [ for dataset in Suboptimality.datasets session do
              for model in session.Models usualModel do
                  for family in session.Families [ "ffg" ] do
                      for method in session.Methods "amortized" do
                          let inference = Parts.inference settings.EncoderHidden method

                          let parts =
                              { Model = Parts.model settings.LatentSize model
                                Family = Parts.family family
                                Inference = inference
                                Rule = Parts.rule inference }

                          for seed in session.Seeds do
                              let spec = Suboptimality.trainSpecOf parts settings dataset seed

                              if Parts.isBernoulli model then
                                  Suboptimality.requireBinary (session.Data spec.Data).Set

                              { Dataset = dataset
                                Model = model
                                Family = family
                                Method = method
                                Seed = seed },
                              spec ]

    /// The names of models by what tells them apart: "model linear, seed 2".
    let labels (names: ModelName list) =
        let fields: (string * (ModelName -> string)) list =
            [ "data", _.Dataset
              "model", _.Model
              "family", _.Family
              "method", _.Method
              "seed", (fun name -> string name.Seed) ]

        let telling = fields |> List.filter (fun (_, value) -> names |> List.distinctBy value |> List.length > 1)

        [ for name in names ->
              match telling with
              | [] -> name.Dataset
              | some -> some |> List.map (fun (field, value) -> $"{field} {value name}") |> String.concat ", " ]

    let private isConstant frame column = Frame.getColumn column frame |> Array.distinct |> Array.length <= 1

    /// The rows of a sweep, whose columns are keys and measured values: keys that do not vary go into the notes, and seeds are averaged.
    let table (session: Session) (values: string list) (whole: Frame) : SweepTable =
        let keys = whole.ColumnKeys |> List.filter (fun column -> not (List.contains column values))
        let fixedKeys, varying = keys |> List.partition (isConstant whole)
        let averages = List.contains "Seed" varying
        let varying = varying |> List.filter ((<>) "Seed")

        let constants =
            [ for key in fixedKeys -> $"{key} {Cell.format (Frame.getColumn key whole).[0]}" ] |> String.concat ", "

        { Frame =
            if averages then
                Frame.meanBy varying values whole
            else
                Frame.sliceCols (varying @ values) whole
          Varying = varying
          Notes =
            [ yield $"Preset {session.Preset}; {constants}."
              if averages then
                  yield
                      $"Averages over {session.Seeds.Length} seeds, each with its own model; ± is the standard error over seeds." ] }

    /// The columns of one frame after those of another with as many rows.
    let beside (left: Frame) (right: Frame) =
        Frame.ofColumns
            [ for frame in [ left; right ] do
                  for column in frame.ColumnKeys -> column, Frame.getColumn column frame ]
