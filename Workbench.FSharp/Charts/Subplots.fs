namespace GapLab.Workbench

open System.Text.Json.Nodes
open GapLab.Tensors

/// Charts in a grid, as one figure with a pair of axes for each.
module internal Subplots =
    /// What a cell keeps free, in pixels: to the left for tick labels, and for the titles above and below.
    let private gapX, gapY = 44, 34

    /// Room for the axis titles of the first column, and below the last row.
    let private left, bottom = 70, 40

    /// The layout of a chart that belongs to its cell: not its size, margins and legend, which are those of the grid.
    let private own = [ "xaxis"; "yaxis" ]

    /// The series and the layout of a grid of charts, given row by row.
    let create
        (rows: (Series list * JsonObject) list list)
        (cellWidth: int, cellHeight: int)
        : Series list * JsonObject =
        let columns = rows |> List.map _.Length |> List.fold max 0

        if columns = 0 then
            raise (GapLabException "A grid of charts needs at least one chart.")

        if cellWidth < 100 || cellHeight < 100 || cellWidth > 2000 || cellHeight > 2000 then
            raise (
                GapLabException
                    $"A cell of a grid of charts is 100 to 2,000 pixels wide and high, not {cellWidth} by {cellHeight}."
            )

        let width, height = columns * cellWidth, rows.Length * cellHeight
        let fraction (pixels: int) (whole: int) = float pixels / float whole

        let place row column (series: Series list, layout: JsonObject) =
            let number = row * columns + column + 1
            let suffix = if number = 1 then "" else string number

            let name (axis: string) = axis.Substring(0, 1) + suffix

            // From the top down; plotly.js counts from the bottom up.
            let right, top = (column + 1) * cellWidth, height - row * cellHeight

            let domain axis =
                if axis = "xaxis" then
                    fraction (right - cellWidth + gapX) width, fraction right width
                else
                    fraction (top - cellHeight) height, fraction (top - gapY) height

            let axes =
                [ for axis in own do
                      let other = if axis = "xaxis" then "yaxis" else "xaxis"
                      let low, high = domain axis

                      let placed =
                          match layout[axis] with
                          | null -> JsonObject()
                          | given -> Figure.copy (given.AsObject())

                      placed["domain"] <- Figure.numbers [ low; high ]
                      placed["anchor"] <- Figure.string (name other)
                      axis + suffix, placed :> JsonNode ]

            let title: JsonNode list =
                match layout["title"] with
                | null -> []
                | title ->
                    let low, high = domain "xaxis"

                    [ Figure.object
                          [ "text", title["text"].DeepClone()
                            "showarrow", Figure.flag false
                            "xref", Figure.string "paper"
                            "yref", Figure.string "paper"
                            "x", Figure.number ((low + high) / 2.)
                            "y", Figure.number (snd (domain "yaxis"))
                            "xanchor", Figure.string "center"
                            "yanchor", Figure.string "bottom" ] ]

            let onAxes (trace: JsonObject) =
                let trace = Figure.copy trace
                trace["xaxis"] <- Figure.string (name "xaxis")
                trace["yaxis"] <- Figure.string (name "yaxis")

                match trace["type"].GetValue<string>() with
                // Their colour bars would lie over each other.
                | "contour"
                | "heatmap" -> trace["showscale"] <- Figure.flag false
                | _ -> ()

                trace

            [ for index, part in List.indexed series ->
                  { Trace = onAxes part.Trace
                    Band = Option.map onAxes part.Band
                    Color = Some(defaultArg part.Color index) } ],
            axes,
            title

        let cells =
            [ for row, charts in List.indexed rows do
                  for column, chart in List.indexed charts -> place row column chart ]

        let margin = [ "l", left - gapX; "r", 16; "t", 8; "b", bottom ]
        let margin = [ for side, pixels in margin -> side, Figure.integer pixels ]
        let side (name: string) = (margin |> List.find (fst >> (=) name) |> snd).GetValue<int>()

        let layout =
            Figure.object
                [ for _, axes, _ in cells do
                      yield! axes
                  yield
                      "annotations",
                      Figure.array
                          [ for _, _, title in cells do
                                yield! title ]
                  yield "margin", Figure.object margin
                  yield "width", Figure.integer (width + side "l" + side "r")
                  yield "height", Figure.integer (height + side "t" + side "b")
                  yield "showlegend", Figure.flag false ]

        cells |> List.collect (fun (series, _, _) -> series), layout
