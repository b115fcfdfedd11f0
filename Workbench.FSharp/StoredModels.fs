namespace GapLab.Workbench

open System.Collections.Generic
open System.Text.Json.Nodes
open GapLab.Experiments
open GapLab.Specification

/// A model of a result store: one that is stored, or one that only evaluations speak of.
type StoredModel =
    {
        Key: string
        Spec: JsonObject
        /// None where only its evaluations are left.
        Artifact: Artifact option
        Data: string
        /// Its number in the report, from 1.
        Number: int
        /// What tells it from the other models of the same data; empty if nothing does.
        Difference: string
        IsOutdated: bool
    }

    /// How tables name it: "2 (seed 2)".
    member model.Label =
        if model.Difference = "" then
            $"{model.Number}"
        else
            $"{model.Number} ({model.Difference})"

    /// How it is named where little room is.
    member model.ShortLabel = $"model {model.Number}"

/// The models of a store in the order of a report.
module StoredModels =
    /// What of each description differs among several.
    let private differences (specs: JsonObject list) =
        let settings = specs |> List.map (fun spec -> Map.ofList (SpecText.settings spec))
        let names = specs |> List.collect SpecText.settings |> List.map fst |> List.distinct

        let telling =
            names |> List.filter (fun name -> settings |> List.distinctBy (Map.tryFind name) |> List.length > 1)

        [ for given in settings ->
              [ for name in telling do
                    match Map.tryFind name given with
                    | Some value -> $"{name} {value}"
                    | None -> () ]
              |> String.concat ", " ]

    /// All models: the stored ones and those of evaluations, those of the same data together, in the order of what tells them apart.
    let ofStore (artifacts: Artifact list) (cells: MeasuredCell list) : StoredModel list =
        let found = Dictionary<string, JsonObject * Artifact option>()

        for artifact in artifacts do
            found[artifact.Key] <- (artifact.Spec, Some artifact)

        for cell in cells do
            match SpecText.find "artifact" cell.Spec with
            | :? JsonObject as spec -> found.TryAdd(CanonicalJson.Hash spec, (spec, None)) |> ignore
            | _ -> ()

        let seedOf (spec: JsonObject) = SpecText.number "seed" spec |> Option.defaultValue 0UL

        [ for entry in found -> entry.Key, fst entry.Value, snd entry.Value ]
        |> List.groupBy (fun (_, spec, _) -> SpecText.data spec)
        |> List.sortBy fst
        |> List.collect (fun (data, models) ->
            let sorted =
                models
                |> List.sortBy (fun (key, spec, _) ->
                    [ for name, value in SpecText.settings spec do
                          if name <> "seed" then
                              $"{name} {value}" ],
                    seedOf spec,
                    key)

            let differences = differences [ for _, spec, _ in sorted -> spec ]

            [ for (key, spec, artifact), difference in List.zip sorted differences ->
                  data, key, spec, artifact, difference ])
        |> List.mapi (fun i (data, key, spec, artifact, difference) ->
            { Key = key
              Spec = spec
              Artifact = artifact
              Data = data
              Number = i + 1
              Difference = difference
              IsOutdated = SpecText.isOutdated spec })
