namespace GapLab.Workbench

open System
open System.Text.Json.Nodes
open GapLab.Tensors

/// One set of points of a chart with what belongs to it; all of it has one colour.
type internal Series =
    {
        Trace: JsonObject
        /// The area behind a line.
        Band: JsonObject option
        /// Its colour's place in the palette; None for the series' place in the chart.
        Color: int option
    }

/// The series of each kind of chart, with what the kind asks of the layout.
module internal Traces =
    let private fail sentence : 'a = raise (GapLabException sentence)

    let private series (trace: (string * JsonNode) list) (name: string option) =
        let trace = Figure.object trace
        name |> Option.iter (fun name -> trace["name"] <- Figure.string (Figure.text name))
        { Trace = trace; Band = None; Color = None }

    let private xAxis (data: (#IConvertible * 'y) array) =
        Figure.object
            [ if data |> Array.exists (fst >> Figure.isCategory) then
                  "xaxis", Figure.object [ "type", Figure.string "category" ] :> JsonNode ]

    let private coordinates (data: ('x * 'y) array) : (string * JsonNode) list =
        [ "x", data |> Seq.map (fst >> Figure.coordinate) |> Figure.array
          "y", data |> Seq.map (snd >> Figure.coordinate) |> Figure.array ]

    let private errorBars
        (data: 'point array)
        (errors: (float * float) option array option)
        : (string * JsonNode) list =
        match errors with
        | Some errors ->
            Figure.sameLength "error bars" data.Length errors.Length
            [ "error_y", Figure.errorBars errors ]
        | None -> []

    /// Error bars that reach equally far down and up.
    let symmetric (errors: float seq) = errors |> Seq.map (fun error -> Some(error, error)) |> Seq.toArray

    /// Few points are marked on their line.
    let lineMode (data: 'point array) = if data.Length <= 20 then "lines+markers" else "lines"

    /// Points with error bars and a band, as a line or markers.
    let points (mode: string) (data: ('x * 'y) array) name errors (band: (float * float) array option) =
        let trace =
            [ "type", Figure.string "scatter"; "mode", Figure.string mode ] @ coordinates data @ errorBars data errors

        let outline (band: (float * float) array) =
            Figure.sameLength "intervals of a band" data.Length band.Length
            Figure.outlines (Array.map2 (fun (x, _) (low, high) -> Figure.coordinate x, low, high) data band)

        { series trace name with Band = Option.map outline band }, xAxis data

    let bars (data: ('x * 'y) array) name errors =
        let bars = series ([ "type", Figure.string "bar" ] @ coordinates data @ errorBars data errors) name

        if Figure.has [ "error_y" ] bars.Trace then
            // Seen on the bar as well as above it.
            Figure.set [ "error_y"; "color" ] (Figure.string "#6e7681") bars.Trace

        bars, xAxis data

    let histogram (values: #IConvertible seq) name (bins: int option) =
        let trace =
            [ "type", Figure.string "histogram"
              "x", values |> Seq.map Figure.coordinate |> Figure.array
              // Combined histograms count over the same intervals.
              "bingroup", Figure.string "values"
              match bins with
              | Some bins -> "nbinsx", Figure.integer bins
              | None -> () ]

        series trace name, Figure.object [ "barmode", Figure.string "overlay" ]

    let box (values: #IConvertible seq) name =
        let trace = [ "type", Figure.string "box"; "y", values |> Seq.map Figure.coordinate |> Figure.array ]

        // The names stand below the boxes.
        series trace name, Figure.object [ "showlegend", Figure.flag false ]

    let private width (z: float array array) = if z.Length = 0 then 0 else z[0].Length

    let heatmap
        (z: float array array)
        (rowLabels: string array option)
        (columnLabels: string array option)
        name
        showValues
        =
        let labels axis what (labels: string array option) expected : (string * JsonNode) list =
            match labels with
            | None -> []
            | Some labels ->
                if labels.Length <> expected then
                    fail $"A heat map with {expected} {what}s got {labels.Length} {what} labels."

                [ axis, Figure.texts labels ]

        let trace =
            [ yield "type", Figure.string "heatmap"
              yield "z", z |> Seq.map Figure.numbers |> Figure.array
              yield "colorscale", Figure.string "Viridis"
              yield! labels "y" "row" rowLabels z.Length
              yield! labels "x" "column" columnLabels (width z)
              match name with
              | Some name ->
                  let title = Figure.object [ "text", Figure.string (Figure.text name) ]
                  yield "colorbar", Figure.object [ "title", title ]
              | None -> ()
              if showValues then
                  yield "texttemplate", Figure.string "%{z:.2f}" ]

        let axis (labels: _ option) (more: (string * JsonNode) list) : JsonNode =
            Figure.object
                [ yield "showgrid", Figure.flag false
                  yield "zeroline", Figure.flag false
                  if labels.IsSome then
                      yield "type", Figure.string "category"
                  yield! more ]

        let layout =
            [ "xaxis", axis columnLabels []; "yaxis", axis rowLabels [ "autorange", Figure.string "reversed" ] ]

        series trace None, Figure.object layout

    /// Where contours lie: equally far apart, as plotly.js wants them.
    let private heights (levels: float array) : (string * JsonNode) list =
        let step = if levels.Length > 1 then levels[1] - levels[0] else 1.

        if levels.Length = 0 || not (step > 0.) then
            fail "The levels of a contour chart are one number or more, in rising order."

        if levels |> Seq.pairwise |> Seq.exists (fun (low, high) -> abs (high - low - step) > 1e-6 * step) then
            fail "The levels of a contour chart must be equally far apart; combine several charts for others."

        [ "start", Figure.number levels[0]
          "end", Figure.number levels[levels.Length - 1]
          "size", Figure.number step ]

    let contour (z: float array array) (x: float array option) (y: float array option) name lines levels =
        let axis (name: string) what (values: float array option) expected : (string * JsonNode) list =
            match values with
            | None -> []
            | Some values ->
                if values.Length <> expected then
                    fail
                        $"A contour chart with {expected} {what} got {values.Length} values of {name.ToUpperInvariant()}."

                [ name, Figure.numbers values ]

        let trace =
            [ yield "type", Figure.string "contour"
              yield "z", z |> Seq.map Figure.numbers |> Figure.array
              yield! axis "x" "columns" x (width z)
              yield! axis "y" "rows" y z.Length
              match levels with
              | Some _ -> yield "autocontour", Figure.flag false
              | None -> ()
              let heights = levels |> Option.map heights |> Option.defaultValue []

              if lines then
                  yield "contours", Figure.object (("coloring", Figure.string "none") :: heights)
                  yield "line", Figure.object [ "width", JsonValue.Create 1.5 ]
                  yield "showscale", Figure.flag false
                  yield "showlegend", Figure.flag true
              else
                  yield "contours", Figure.object heights
                  yield "colorscale", Figure.string "Viridis" ]

        series trace name, JsonObject()

    /// Coordinates and error bars of a frame's rows: x, y and the error of y. Rows without x are left out.
    let ofFrame (x: string) (y: string) (frame: Frame) =
        let rows =
            Array.zip (Frame.getColumn x frame) (Frame.getColumn y frame) |> Array.filter (fun (x, _) -> x <> Missing)

        let isText = rows |> Array.exists (fst >> Cell.number >> Option.isNone)

        let coordinate cell : IConvertible =
            match Cell.number cell with
            | Some value when not isText -> value
            | _ -> Cell.name cell

        let data = rows |> Array.map (fun (x, y) -> coordinate x, Cell.number y |> Option.defaultValue nan)
        let errors = rows |> Array.map (snd >> Cell.error)
        data, (if Array.exists Option.isSome errors then Some errors else None)

    /// The figure as plotly.js takes it: an object with `data` and `layout`. `area` is the size of the drawing area where it is fixed.
    let figure (series: Series list) (layout: JsonObject) (area: (int * int) option) =
        let layout = Figure.copy layout

        let painted color (trace: JsonObject) =
            let trace = Figure.copy trace
            Figure.paint Figure.palette[color % Figure.palette.Length] trace

            if series.Length > 1 && trace["type"].GetValue<string>() = "histogram" then
                trace["opacity"] <- JsonValue.Create 0.65

            trace

        let traces =
            [ for index, part in List.indexed series do
                  let color = defaultArg part.Color index
                  // The band lies under the line.
                  match part.Band with
                  | Some band -> painted color band
                  | None -> ()

                  painted color part.Trace ]

        let hasTitle = Figure.has [ "title" ] layout

        if not (Figure.has [ "showlegend" ] layout) then
            let named = series |> List.filter (fun part -> Figure.has [ "name" ] part.Trace)
            layout["showlegend"] <- Figure.flag (named.Length > 1)

        match area with
        | Some(width, height) ->
            let margin (side: string) = layout["margin"].[side].GetValue<int>()

            if hasTitle then
                Figure.set [ "margin"; "t" ] (Figure.integer (margin "t" + 40)) layout

            layout["width"] <- Figure.integer (width + margin "l" + margin "r")
            layout["height"] <- Figure.integer (height + margin "t" + margin "b")
        | None ->
            let margin =
                [ "l", 64; "r", 24; "t", (if hasTitle then 52 else 20); "b", 56 ]
                |> List.map (fun (side, pixels) -> side, Figure.integer pixels)

            Figure.fill layout (Figure.object [ "margin", Figure.object margin ])

        Figure.object [ "data", Figure.array [ for trace in traces -> trace ]; "layout", layout ]
