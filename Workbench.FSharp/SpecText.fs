namespace GapLab.Workbench

open System
open System.Globalization
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open GapLab.Data
open GapLab.Experiments
open GapLab.Specification

/// The stored descriptions of models and evaluations in words. They may come from other versions and from users' scripts: what a description lacks, or
/// holds in another form, is left out.
module SpecText =
    let private nameMember, settingsMember, sourceMember = "name", "settings", "source"

    /// A member of a description; null where it has none.
    let find (name: string) (node: JsonNode) : JsonNode =
        match node with
        | :? JsonObject as members -> members[name]
        | _ -> null

    /// A member that is a text; empty where it is not.
    let text name node =
        match find name node with
        | :? JsonValue as value when value.GetValueKind() = JsonValueKind.String -> value.GetValue<string>()
        | _ -> ""

    /// A member that is a whole number; None where it is not.
    let number name node =
        match find name node with
        | :? JsonValue as value when value.GetValueKind() = JsonValueKind.Number ->
            match UInt64.TryParse(value.ToJsonString(), NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, number -> Some number
            | _ -> None
        | _ -> None

    let private isComponent (node: JsonNode) =
        text nameMember node <> "" && not (isNull (find CanonicalJson.RevisionMember node))

    /// latentSize as latent size.
    let private words (name: string) =
        let spaced = StringBuilder()

        for letter in name do
            if Char.IsUpper letter && spaced.Length > 0 then
                spaced.Append(' ').Append(Char.ToLowerInvariant letter) |> ignore
            else
                spaced.Append letter |> ignore

        spaced.ToString()

    let private isHash (text: string) = text.Length = 64 && Seq.forall Char.IsAsciiHexDigit text

    /// A value as it is read: 200-200 for [200, 200], the first digits of a hash.
    let rec private value (node: JsonNode) =
        match node with
        | null -> "none"
        | :? JsonArray as items when items.Count = 0 -> "none"
        | :? JsonArray as items ->
            let separator = if items |> Seq.forall (fun item -> item :? JsonValue) then "-" else "; "
            items |> Seq.map value |> String.concat separator
        | :? JsonObject as members ->
            [ for entry in members -> $"{words entry.Key} {value entry.Value}" ] |> String.concat ", "
        | _ ->
            match node.GetValueKind() with
            | JsonValueKind.String ->
                let text = node.GetValue<string>()
                if isHash text then text.Substring(0, 8) + "…" else text
            | JsonValueKind.Number ->
                match Double.TryParse(node.ToJsonString(), CultureInfo.InvariantCulture) with
                | true, number -> number.ToString("G6", CultureInfo.InvariantCulture)
                | _ -> node.ToJsonString()
            | _ -> node.ToJsonString()

    /// The settings of a description, each with a name that says where it belongs: "model latent size", "training rule samples".
    let settings (spec: JsonNode) : (string * string) list =
        let rec visit (path: string) (node: JsonNode) =
            [ match node with
              | :? JsonObject as members ->
                  let below name = if path = "" then words name else $"{path} {words name}"
                  let isComponent = isComponent node

                  for entry in members do
                      match entry.Key, entry.Value with
                      | name, null when name <> "" -> ()
                      | name, (:? JsonObject as inner) when name = settingsMember && isComponent ->
                          yield! visit path inner
                      | name, given when name = nameMember && isComponent ->
                          if value given <> path then
                              yield path, value given
                      | name, _ when name = CanonicalJson.RevisionMember && isComponent -> ()
                      | name, given when name = sourceMember && isComponent -> yield below "script", value given
                      | name, given -> yield! visit (below name) given
              | _ -> yield path, value node ]

        if isNull spec then [] else visit "" spec

    /// A component in words: "optimal-bounds (samples 1000)", of its settings those that a filter admits.
    let describe (admits: string -> bool) (node: JsonNode) =
        let name = text nameMember node
        let given = settings (find settingsMember node) |> List.filter (fst >> admits)

        match given with
        | [] -> name
        | some ->
            let listed = some |> List.map (fun (name, value) -> $"{name} {value}") |> String.concat ", "
            $"{name} ({listed})"

    /// The data of a model in words: "glyphs (train count 5000)"; a user's file goes by its hash.
    let data (spec: JsonNode) =
        let given = find "data" spec |> find settingsMember

        let name =
            match text "name" given, text "sha256" given with
            | "", "" -> "unknown data"
            | "", hash -> $"file {hash[.. min 7 (hash.Length - 1)]}…"
            | name, _ -> name

        let sizes =
            match given with
            | :? JsonObject as members ->
                [ for entry in members do
                      if entry.Key <> "name" && entry.Key <> "sha256" && entry.Value :? JsonValue then
                          $"{words entry.Key} {value entry.Value}" ]
            | _ -> []

        if sizes.IsEmpty then
            name
        else
            let listed = String.concat ", " sizes
            $"{name} ({listed})"

    /// The names and revisions of all components of a description; those of scripts, which have a hash instead, are left out.
    let rec revisions (node: JsonNode) : (string * uint64) list =
        [ match node with
          | :? JsonObject as members ->
              match number CanonicalJson.RevisionMember node with
              | Some revision when isComponent node && isNull (find sourceMember node) ->
                  yield text nameMember node, revision
              | _ -> ()

              for entry in members do
                  yield! revisions entry.Value
          | :? JsonArray as items ->
              for item in items do
                  yield! revisions item
          | _ -> () ]

    /// The revisions of the components that the workbench itself uses now.
    let private current =
        lazy
            ([ for settings, dataset in
                   [ Suboptimality.small, DataSets.Glyphs; Suboptimality.smallColours, DataSets.Shapes ] do
                   let training = Suboptimality.trainSpec settings dataset 1UL
                   yield! Suboptimality.evaluations settings training DataSplit.Test
                   EvaluationSpec(Artifact = training, Measure = Diagnostics(), Points = 1) ]
             |> List.collect (fun spec -> revisions (spec.ToJson()))
             |> Map.ofList)

    /// Whether a component of a description has an older revision than the one that the workbench uses now. Components that it does not use by itself
    /// are not judged.
    let isOutdated (spec: JsonNode) =
        revisions spec
        |> List.exists (fun (name, revision) ->
            match Map.tryFind name current.Value with
            | Some now -> revision < now
            | None -> false)
