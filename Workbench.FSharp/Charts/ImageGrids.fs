namespace GapLab.Workbench

open System
open System.Text.Json.Nodes
open GapLab.Tensors

/// Images beside and under each other, as one heat map in which a pixel of an image is a square of whole pixels of the screen.
module internal ImageGrids =
    /// The widest drawing, in pixels of the screen, that is magnified.
    let private room = 840

    /// The trace, the layout and the size of the drawing area, for images given as rows one after another, with 1 or 3 levels for each pixel.
    let create
        (images: float array)
        (count, height, width, channels)
        (columns: int)
        (rowLabels: string array)
        (columnLabels: string array)
        =
        let rows = (count + columns - 1) / columns

        let label what (labels: string array) expected =
            if labels.Length <> 0 && labels.Length <> expected then
                raise (
                    GapLabException
                        $"An image grid with {expected} {what}s needs as many {what} labels, not {labels.Length}."
                )

        label "row" rowLabels rows
        label "column" columnLabels columns
        let gap = max 1 (width / 14)
        let stepX, stepY = width + gap, height + gap
        let gridWidth, gridHeight = columns * stepX - gap, rows * stepY - gap

        // 256 levels are what a screen shows, and keep the page small.
        let level (value: float) : JsonNode =
            if Double.IsNaN value then
                null
            else
                JsonValue.Create(int (Math.Round(255. * Math.Clamp(value, 0., 1.))))

        let isColoured = channels > 1

        // What lies between images is not drawn: nothing in grey, no opacity in colours.
        let between () =
            if isColoured then
                Figure.array [| for _ in 0..3 -> Figure.integer 0 |]
            else
                null

        let pixel y x =
            let image = (y / stepY) * columns + x / stepX
            let row, column = y % stepY, x % stepX

            if row < height && column < width && image < count then
                let first = ((image * height + row) * width + column) * channels

                if isColoured then
                    let opaque = Figure.integer 255
                    Figure.array (Array.append [| for channel in 0..2 -> level images[first + channel] |] [| opaque |])
                else
                    level images[first]
            else
                between ()

        let z = [| for y in 0 .. gridHeight - 1 -> Figure.array [| for x in 0 .. gridWidth - 1 -> pixel y x |] |]

        let shown = [ "z", Figure.array z; "hoverinfo", Figure.string "skip" ]

        let trace =
            if isColoured then
                Figure.object ([ "type", Figure.string "image"; "colormodel", Figure.string "rgba256" ] @ shown)
            else
                let greys =
                    [ Figure.array [ Figure.integer 0; Figure.string "#000000" ]
                      Figure.array [ Figure.integer 1; Figure.string "#ffffff" ] ]

                Figure.object (
                    [ "type", Figure.string "heatmap"
                      "zmin", Figure.integer 0
                      "zmax", Figure.integer 255
                      "zsmooth", Figure.flag false
                      "showscale", Figure.flag false
                      "colorscale", Figure.array greys ]
                    @ shown
                )

        let axis (labels: string array) step size extent =
            [ "range", Figure.numbers extent
              "showgrid", Figure.flag false
              "zeroline", Figure.flag false
              "showline", Figure.flag false
              // Unseen, they keep the labels off the images.
              "ticks", Figure.string "outside"
              "ticklen", Figure.integer 4
              "tickcolor", Figure.string "rgba(0,0,0,0)"
              "fixedrange", Figure.flag true
              "automargin", Figure.flag false
              "showticklabels", Figure.flag (labels.Length > 0)
              "tickvals", Figure.numbers [ for i in 0 .. labels.Length - 1 -> float (i * step) + float (size - 1) / 2. ]
              "ticktext", Figure.texts labels ]

        let columnAxis = axis columnLabels stepX width [ -0.5; float gridWidth - 0.5 ]
        let rowAxis = axis rowLabels stepY height [ float gridHeight - 0.5; -0.5 ]
        let longest = if rowLabels.Length = 0 then 0 else rowLabels |> Seq.map _.Length |> Seq.max

        let layout =
            Figure.object
                [ "xaxis",
                  Figure.object (("side", Figure.string "top") :: ("tickangle", Figure.integer 0) :: columnAxis)
                  "yaxis", Figure.object rowAxis
                  "plot_bgcolor", Figure.string "rgba(0,0,0,0)"
                  "margin",
                  Figure.object
                      [ "l", Figure.integer (if longest = 0 then 8 else 16 + 8 * longest)
                        "r", Figure.integer 8
                        "t", Figure.integer (if columnLabels.Length = 0 then 8 else 28)
                        "b", Figure.integer 8 ] ]

        let scale = Math.Clamp(room / gridWidth, 1, 4)
        trace, layout, (scale * gridWidth, scale * gridHeight)
