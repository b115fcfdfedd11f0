namespace GapLab.Workbench

open GapLab.Data
open GapLab.Experiments
open GapLab.Tensors

/// Gaps from stored results: of every model, part of its data, number of points and seed for which L[q], L[q*] and AIS were measured.
module StoredGaps =
    /// Series of one chart: more cannot be told apart.
    let private mostSeries = 8

    let private measureOf (cell: MeasuredCell) = SpecText.find "measure" cell.Spec
    let private samplesOf cell = SpecText.number "samples" (SpecText.find "settings" (measureOf cell))

    /// Results that make up gaps, in the order that `Measurement.ofCells` takes: q and q* evaluated with as many samples.
    let private triples (cells: MeasuredCell list) =
        let named name = cells |> List.filter (fun cell -> SpecText.text "name" (measureOf cell) = name)

        [ for inferred in named "inferred-bounds" do
              for optimal in named "optimal-bounds" do
                  if samplesOf inferred = samplesOf optimal then
                      for ais in named "ais" -> [ inferred; optimal; ais ] ]

    let private measured (cells: MeasuredCell list) =
        let seed = SpecText.number "seed" cells.Head.Spec |> Option.defaultValue 1UL

        try
            Ok(Measurement.ofCells { Suboptimality.paper with SimulatedPoints = 0 } seed cells)
        with :? GapLabException as e ->
            Error e.Message

    /// What tells the searches for q* and the AIS runs of rows apart.
    let private settingsOf (triple: MeasuredCell list) =
        [ for role, cell in List.zip [ "q"; "q*"; "AIS" ] triple do
              for name, value in SpecText.settings (SpecText.find "settings" (measureOf cell)) ->
                  $"{role} {name}", value ]
        |> Map.ofList

    let private scatter (rows: (string * Measurement) list) =
        Chart.Combine
            [ for label, m in List.truncate mostSeries rows do
                  let logMarginal, optimal, inferred = m.Gaps.LogMarginal.Values, m.Optimal.Values, m.Inferred.Values

                  Chart.Scatter(
                      [ for i in 0 .. m.Points - 1 -> logMarginal[i] - optimal[i], optimal[i] - inferred[i] ],
                      Name = label
                  ) ]
        |> Chart.WithTitle "Gaps of each datapoint"
        |> Chart.WithXTitle "approximation gap, nats"
        |> Chart.WithYTitle "amortization gap, nats"

    /// Adds to a page the gaps that results on the same data make up: a table, and the two gaps of single datapoints against each other. Only here are the
    /// numbers of single datapoints read.
    let add
        (modelOf: MeasuredCell -> StoredModel option)
        (cells: MeasuredCell list)
        (progress: float -> unit)
        (page: Page)
        : Page =
        let found =
            cells
            |> List.groupBy (fun cell ->
                modelOf cell |> Option.map _.Number,
                SpecText.text "split" cell.Spec,
                SpecText.number "points" cell.Spec,
                SpecText.number "seed" cell.Spec)
            |> List.collect (snd >> triples)

        let results =
            found
            |> List.mapi (fun i triple ->
                progress (float i / float found.Length)
                triple, measured triple)

        let rows =
            [ for triple, result in results do
                  match result with
                  | Ok m -> triple, m
                  | Error _ -> () ]

        let problems =
            [ for _, result in results do
                  match result with
                  | Error problem -> problem
                  | Ok _ -> () ]
            |> List.distinct

        let warned page = problems |> List.fold (fun page problem -> Page.addText problem page) page

        if results.IsEmpty then
            page
        elif rows.IsEmpty then
            warned page
        else
            let settings = rows |> List.map (fst >> settingsOf)
            let names = settings |> List.collect (Map.keys >> List.ofSeq) |> List.distinct

            let varying =
                names |> List.filter (fun name -> settings |> List.distinctBy (Map.tryFind name) |> List.length > 1)

            let model (triple: MeasuredCell list) = modelOf triple.Head
            let label (triple: MeasuredCell list) = model triple |> Option.map _.Label |> Option.defaultValue "?"
            let split (triple: MeasuredCell list) = SpecText.text "split" triple.Head.Spec

            let frame =
                Frame.ofColumns
                    [ yield "model" => [ for triple, _ in rows -> label triple ]
                      yield "split" => [ for triple, _ in rows -> split triple ]
                      yield "points" => [ for _, m in rows -> m.Points ]
                      for name in varying do
                          yield name => [ for given in settings -> Map.tryFind name given ]
                      yield "log p̂" => [ for _, m in rows -> m.Gaps.LogMarginal ]
                      yield "L[q*]" => [ for _, m in rows -> m.Optimal ]
                      yield "L[q]" => [ for _, m in rows -> m.Inferred ]
                      yield "approximation" => [ for _, m in rows -> m.Gaps.Approximation ]
                      yield "amortization" => [ for _, m in rows -> m.Gaps.Amortization ]
                      yield "inference" => [ for _, m in rows -> m.Gaps.Inference ] ]

            let series =
                [ for triple, m in rows ->
                      let short = model triple |> Option.map _.ShortLabel |> Option.defaultValue "?"
                      $"{short}, {split triple}", m ]

            page
            |> Page.addText
                "Gaps of every model for which q, q* and AIS were measured at the same points, in nats. ± is the Monte-Carlo standard error, [ ] the 95 % bootstrap interval over points. log p̂ is the larger of the averages of IWAE of q* and AIS."
            |> Page.addFrame "" frame
            |> warned
            |> Page.addChart (scatter series)
