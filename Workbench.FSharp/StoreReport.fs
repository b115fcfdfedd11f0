namespace GapLab.Workbench

open System
open GapLab.Experiments
open GapLab.Data
open GapLab.Training

/// Everything that a result store holds, as one page. Nothing is trained or measured.
module StoreReport =
    /// Lines of one chart, and points of one line: more cannot be told apart.
    let private mostLines, private mostPoints = 30, 400

    let private mark isOutdated = if isOutdated then Text "†" else Missing

    let private outdatedNote =
        "† A component of the description has an older revision than the one that this version uses, so that it would give other numbers now; run the script that made it with --recompute stale. Components of scripts and those that no built-in experiment uses are not judged."

    let private addNote condition note page = if condition then Page.addText note page else page

    /// Columns in which at least one row has something.
    let private withoutEmpty (columns: (string * Cell array) list) =
        columns |> List.filter (snd >> Array.exists ((<>) Missing)) |> Frame.ofColumns

    let private finite value =
        if not (Double.IsFinite value) then Missing
        elif value = Math.Floor value && abs value < 1e9 then Integer(int64 value)
        else Value value

    /// A version whose git revision has as many digits as git shows.
    let private shortVersion (version: string) =
        match version.Split '+' with
        | [| version; revision |] when revision.Length > 8 -> $"{version}+{revision[..7]}"
        | _ -> version

    // ------------------------------------------------------------------------------------------------------------
    // Overview

    let private overview (folder: string) (models: StoredModel list) (cells: MeasuredCell list) page =
        let artifacts = models |> List.choose _.Artifact
        let provenance = [ for a in artifacts -> a.Provenance ] @ [ for c in cells -> c.Provenance ]
        let seconds = provenance |> List.sumBy _.WallSeconds

        let count name number = if number = 1 then $"1 {name}" else $"{number} {name}s"

        let versions =
            [ for version, number in
                  provenance
                  |> List.countBy (fun p ->
                      $"GapLab {shortVersion p.Version}, {p.Runtime}, {p.Platform}, {p.Device}, {p.SimdBits}-bit vectors")
                  |> List.sortDescending -> $"""{count "result" number} by {version}.""" ]

        let times = provenance |> List.map _.Finished
        let counts = $"""{count "model" artifacts.Length} and {count "evaluation" cells.Length}"""

        let files =
            [ for p in provenance do
                  for file in p.DataFiles -> file.Key, file.Value ]
            |> List.distinct
            |> List.sort

        let data = provenance |> List.map _.Data |> List.distinct |> List.sort

        let page =
            page
            |> Page.addText
                $"{counts} in '{folder}', computed in {Progress.time (TimeSpan.FromSeconds seconds)} in all, from {List.min times:u} to {List.max times:u}."
            |> Page.addText (String.concat "\n" (versions @ data))

        if files.IsEmpty then
            page
        else
            Page.addFrame
                "Data files"
                (Frame.ofColumns [ "file" => List.map fst files; "sha256 of the unpacked bytes" => List.map snd files ])
                page

    // ------------------------------------------------------------------------------------------------------------
    // Models

    let private lastScore (curve: EpochReport seq) =
        curve |> Seq.map _.Validation.Elbo |> Seq.filter Double.IsFinite |> Seq.tryLast |> Option.defaultValue nan

    let private modelTable (models: StoredModel list) page =
        let cell (read: Artifact -> Cell) =
            [| for model in models -> model.Artifact |> Option.map read |> Option.defaultValue Missing |]

        let descriptions =
            [| for model in models ->
                   match model.Artifact with
                   | Some artifact -> artifact.Description
                   | None -> "not stored any more" |]

        // What all have in common would only make the table wide.
        let isCommon = models.Length > 1 && (Array.distinct descriptions).Length = 1

        let frame =
            withoutEmpty
                [ "model", [| for model in models -> Text model.Label |]
                  "description", [| for text in descriptions -> if isCommon then Missing else Text text |]
                  "seed",
                  [| for model in models ->
                         match SpecText.number "seed" model.Spec with
                         | Some seed -> Cell.ofObject "A seed" seed
                         | None -> Missing |]
                  "epochs", cell (fun a -> Integer(int64 a.Outcome.Curve.Count))
                  "selected epoch",
                  cell (fun a ->
                      if a.Outcome.Curve.Count = 0 then
                          Missing
                      else
                          Integer(int64 a.Outcome.SelectedEpoch))
                  "last validation ELBO", cell (fun a -> finite (lastScore a.Outcome.Curve))
                  "seconds", cell (fun a -> Value a.Provenance.WallSeconds)
                  "GapLab", cell (fun a -> Text(shortVersion a.Provenance.Version))
                  "", [| for model in models -> mark model.IsOutdated |] ]

        page
        |> addNote isCommon $"All models: {descriptions[0]}."
        |> Page.addFrame "In brackets: what tells a model from the others of these data." frame
        |> addNote (models |> List.exists _.IsOutdated) outdatedNote

    let private thin (points: 'T array) =
        if points.Length <= mostPoints then
            points
        else
            [| for i in 0 .. mostPoints - 1 -> points[i * (points.Length - 1) / (mostPoints - 1)] |]

    let private quantities: (string * (EpochReport -> float)) list =
        [ "training objective", _.Objective
          "validation ELBO", _.Validation.Elbo
          "validation KL", _.Validation.Kl
          "validation reconstruction", _.Validation.Reconstruction
          "validation IWAE", _.Validation.Iwae ]

    let private curves (models: StoredModel list) page =
        let trained =
            models
            |> List.choose (fun model ->
                match model.Artifact with
                | Some artifact when artifact.Outcome.Curve.Count > 0 ->
                    Some(model, Seq.toArray artifact.Outcome.Curve)
                | _ -> None)

        let shown =
            trained
            |> List.sortByDescending (fun (_, curve) ->
                let score = lastScore curve
                if Double.IsFinite score then score else Double.NegativeInfinity)
            |> List.truncate mostLines
            |> List.sortBy (fun (model, _) -> model.Number)

        let chart (quantity, read: EpochReport -> float) =
            match shown |> List.filter (snd >> Array.exists (read >> Double.IsFinite)) with
            | [] -> None
            | some ->
                Chart.Combine
                    [ for model, curve in some do
                          Chart.Line([ for report in thin curve -> report.Epoch, read report ], Name = model.ShortLabel) ]
                |> Chart.WithTitle quantity
                |> Chart.WithXTitle "epoch"
                |> Chart.WithYTitle "nats"
                |> Some

        match List.choose chart quantities with
        | [] -> page
        | charts ->
            page
            |> addNote
                (shown.Length < trained.Length)
                $"Training of the {shown.Length} models, of {trained.Length}, with the best last validation ELBO:"
            |> Page.addCharts charts

    // ------------------------------------------------------------------------------------------------------------
    // Evaluations

    let private points (spec: System.Text.Json.Nodes.JsonNode) =
        match SpecText.number "points" spec with
        | Some count -> Integer(int64 count)
        | None -> Missing

    let private seedOf spec =
        match SpecText.number "seed" spec with
        | Some seed -> Cell.ofObject "A seed" seed
        | None -> Missing

    /// A scalar of such a name is the standard error of the one without it.
    let private errorSuffix = "Error"

    /// Scalars that belong to a numbered series, such as those of latent dimensions, are not shown one by one.
    let private isNumbered (name: string) =
        let dot = name.LastIndexOf '.'
        dot >= 0 && dot + 1 < name.Length && Seq.forall Char.IsAsciiDigit (name.Substring(dot + 1))

    /// The settings of a measure that vary among cells: their names.
    let private varying (cells: MeasuredCell list) =
        let settings =
            cells |> List.map (fun cell -> Map.ofList (SpecText.settings (SpecText.find "measure" cell.Spec)))

        [ for given in settings do
              yield! Map.keys given ]
        |> List.distinct
        |> List.filter (fun name -> settings |> List.distinctBy (Map.tryFind name) |> List.length > 1)

    let private settingColumns (names: string list) (cells: MeasuredCell list) =
        [ for name in names ->
              name,
              [| for cell in cells ->
                     match SpecText.settings (SpecText.find "measure" cell.Spec) |> List.tryFind (fst >> (=) name) with
                     | Some(_, value) -> Text value
                     | None -> Missing |] ]

    let private evaluationTables (modelOf: MeasuredCell -> StoredModel option) (cells: MeasuredCell list) page =
        let add (cells: MeasuredCell list) page =
            let varying = varying cells

            let columns =
                cells |> List.collect (fun cell -> [ for column in cell.Columns -> column.Name ]) |> List.distinct

            let scalars =
                cells
                |> List.collect (fun cell -> [ for scalar in cell.Scalars -> scalar.Key ])
                |> List.distinct
                |> List.filter (isNumbered >> not)

            let isError (scalar: string) =
                scalar.EndsWith(errorSuffix, StringComparison.Ordinal)
                && List.contains (scalar.Substring(0, scalar.Length - errorSuffix.Length)) scalars

            let summary (column: string) (cell: MeasuredCell) =
                match cell.Columns |> Seq.tryFind (fun summary -> summary.Name = column) with
                | None -> Missing
                | Some summary ->
                    match Option.ofNullable summary.MonteCarloError, Option.ofNullable summary.PointError with
                    | Some error, _
                    | None, Some error -> Estimate(summary.Mean, error)
                    | None, None -> finite summary.Mean

            let ofCells read = [| for cell in cells -> read cell |]
            let outdated = cells |> List.map (fun cell -> cell.IsStale || SpecText.isOutdated cell.Spec)

            let frame =
                withoutEmpty
                    [ yield
                          "model",
                          ofCells (fun cell ->
                              match modelOf cell with
                              | Some model -> Text model.Label
                              | None -> Text "?")
                      yield "split", ofCells (fun cell -> Text(SpecText.text "split" cell.Spec))
                      yield "points", ofCells (fun cell -> points cell.Spec)
                      yield "seed", ofCells (fun cell -> seedOf cell.Spec)
                      yield! settingColumns varying cells
                      for column in columns do
                          yield column, ofCells (summary column)
                      for scalar in List.filter (isError >> not) scalars do
                          // A scalar may have the name of a column; it is then another estimate of the same.
                          let name = if List.contains scalar columns then $"{scalar} (whole set)" else scalar

                          yield
                              name,
                              ofCells (fun cell ->
                                  match
                                      cell.Scalars.TryGetValue scalar, cell.Scalars.TryGetValue(scalar + errorSuffix)
                                  with
                                  | (true, value), (true, error) -> Estimate(value, error)
                                  | (true, value), _ -> finite value
                                  | _ -> Missing)
                      yield "", [| for outdated in outdated -> mark outdated |] ]

            let common =
                SpecText.describe
                    (fun name -> not (List.contains name varying))
                    (SpecText.find "measure" cells.Head.Spec)

            page |> Page.addFrame common frame |> addNote (List.contains true outdated) outdatedNote

        match cells |> List.groupBy (fun cell -> SpecText.text "name" (SpecText.find "measure" cell.Spec)) with
        | [] -> page
        | measures ->
            page
            |> Page.addText
                "All evaluations, averaged over the points. ± is the Monte-Carlo standard error for these points where every value has one, else the standard error over points."
            |> List.foldBack add (measures |> List.sortByDescending fst |> List.map snd)

    /// The chart of the latent dimensions of models whose posterior diagnostics are there.
    let private diagnostics (modelOf: MeasuredCell -> StoredModel option) (cells: MeasuredCell list) page =
        let lines =
            [ for cell in cells do
                  match DiagnosticsSweep.meanVariances cell, modelOf cell with
                  | _ :: _ as variances, Some model ->
                      let split = SpecText.text "split" cell.Spec
                      $"{model.ShortLabel}, {split}", variances
                  | _ -> () ]
            |> List.truncate mostLines

        if lines.IsEmpty then
            page
        else
            Page.addChart (DiagnosticsSweep.chart lines) page

    /// A page of all that a store holds. A GapLabException says so if it holds nothing.
    let page (store: ResultStore) (progress: float -> unit) : Page =
        let artifacts, cells = List.ofSeq (store.Artifacts()), List.ofSeq (store.Cells())

        if artifacts.IsEmpty && cells.IsEmpty then
            Cli.fail $"There are no results in '{store.Folder}': name the folder of a script's results with --results."

        let models = StoredModels.ofStore artifacts cells
        let byKey = models |> List.map (fun model -> model.Key, model) |> dict

        let modelOf (cell: MeasuredCell) =
            match SpecText.find "artifact" cell.Spec with
            | null -> None
            | spec ->
                match byKey.TryGetValue(GapLab.Specification.CanonicalJson.Hash spec) with
                | true, model -> Some model
                | _ -> None

        let order (cell: MeasuredCell) =
            (modelOf cell |> Option.map _.Number |> Option.defaultValue Int32.MaxValue),
            SpecText.text "split" cell.Spec,
            cell.Key

        let cells = List.sortBy order cells

        let sections =
            [ for data, models in models |> List.groupBy _.Data do
                  let keys = models |> List.map _.Key |> set

                  data,
                  models,
                  cells
                  |> List.filter (fun cell -> modelOf cell |> Option.exists (fun model -> keys.Contains model.Key)) ]

        let addSection page (number, (data: string, models, cells)) =
            let part = 1. / float sections.Length

            page
            |> Page.addHeading data
            |> modelTable models
            |> curves models
            |> StoredGaps.add modelOf cells (fun fraction -> progress (part * (float number + fraction)))
            |> diagnostics modelOf cells
            |> evaluationTables modelOf cells

        let page = Page.create "Results" |> overview store.Folder models cells
        List.fold addSection page (List.indexed sections)
