namespace GapLab.Workbench

open System
open System.Text.Json.Nodes
open GapLab.Differentiation
open GapLab.Tensors

/// A chart: plotly.js traces and a layout, in XPlot.Plotly's vocabulary. Charts do not change; each `With...` gives a new one. Numbers that
/// are not finite leave gaps, and texts are shown as they are written, without markup.
[<Sealed>]
type Chart internal (series: Series list, layout: JsonObject, area: (int * int) option) =
    static let fail sentence : 'a = raise (GapLabException sentence)

    static let ofSeries (series: Series, layout: JsonObject) = Chart([ series ], layout, None)

    /// One series for each entry of a frame's column `group`.
    static let ofGroups x y (group: string) frame (draw: (IConvertible * float) array -> _ -> string option -> _) =
        let chart (key: Cell list, rows: Frame) =
            let data, errors = Traces.ofFrame x y rows
            ofSeries (draw data errors (Some(Cell.name key.Head)))

        Frame.groupBy [ group ] frame |> List.map chart |> Chart.Combine |> Chart.WithXTitle x |> Chart.WithYTitle y

    member internal _.Series = series
    member internal _.LayoutCore = layout

    /// The size of the drawing area where it is fixed, in pixels.
    member internal _.Area = area

    member private _.With(path: string list, value: JsonNode) =
        let layout = Figure.copy layout
        Figure.set path value layout
        Chart(series, layout, area)

    member private _.EachTrace(change: int -> JsonObject -> unit) =
        let changed i part =
            let trace = Figure.copy part.Trace
            change i trace
            { part with Trace = trace }

        Chart(List.mapi changed series, layout, area)

    // ------------------------------------------------------------------------------------------------------------
    // Kinds of charts

    /// A line through points (x, y); x are numbers or the names of categories. `Errors` are standard errors of y, drawn as bars; `Band` is
    /// an interval (low, high) at each point, drawn as an area.
    static member Line
        (data: seq<'x * 'y>, ?Name: string, ?Errors: seq<float>, ?Band: seq<float * float>)
        : Chart when 'x :> IConvertible and 'y :> IConvertible =
        let data = Seq.toArray data
        let errors, band = Option.map Traces.symmetric Errors, Option.map Seq.toArray Band
        ofSeries (Traces.points (Traces.lineMode data) data Name errors band)

    /// Points (x, y), with bars for the standard errors of y.
    static member Scatter
        (data: seq<'x * 'y>, ?Name: string, ?Errors: seq<float>)
        : Chart when 'x :> IConvertible and 'y :> IConvertible =
        ofSeries (Traces.points "markers" (Seq.toArray data) Name (Option.map Traces.symmetric Errors) None)

    /// Bars of the given heights, with bars for their standard errors; several combined stand in groups.
    static member Bar
        (data: seq<'x * 'y>, ?Name: string, ?Errors: seq<float>)
        : Chart when 'x :> IConvertible and 'y :> IConvertible =
        ofSeries (Traces.bars (Seq.toArray data) Name (Option.map Traces.symmetric Errors))

    /// How often numbers fall into intervals of equal width, at most `Bins` of them; several combined lie over each other.
    static member Histogram(values: seq<'x>, ?Name: string, ?Bins: int) : Chart when 'x :> IConvertible =
        ofSeries (Traces.histogram values Name Bins)

    /// Median, quartiles and range of numbers, with those far from the rest as points; several combined stand side by side.
    static member Box(values: seq<'y>, ?Name: string) : Chart when 'y :> IConvertible =
        ofSeries (Traces.box values Name)

    /// A grid of numbers as colours, the first row on top, with names of rows and columns; `ShowValues` writes each number into its square.
    static member Heatmap
        (z: seq<#seq<float>>, ?RowLabels: seq<string>, ?ColumnLabels: seq<string>, ?Name: string, ?ShowValues: bool)
        : Chart =
        let rows, columns = Option.map Seq.toArray RowLabels, Option.map Seq.toArray ColumnLabels
        ofSeries (Traces.heatmap (Figure.grid z) rows columns Name (ShowValues = Some true))

    /// Lines of equal height of a function on a grid: z[i][j] is its value at X[j], Y[i]. They are filled with colours, or with
    /// `Lines = true` drawn in one colour, so that several can lie over each other. `Levels` are their heights, equally far apart.
    static member Contour
        (z: seq<#seq<float>>, ?X: seq<float>, ?Y: seq<float>, ?Name: string, ?Lines: bool, ?Levels: seq<float>)
        : Chart =
        ofSeries (
            Traces.contour
                (Figure.grid z)
                (Option.map Seq.toArray X)
                (Option.map Seq.toArray Y)
                Name
                (Lines = Some true)
                (Option.map Seq.toArray Levels)
        )

    static member private Images(images, (count, height, width, channels), columns, rowLabels, columnLabels) =
        if count = 0 || height = 0 || width = 0 then
            fail $"An image grid needs images, but got {count} of {height} by {width} pixels."

        if channels <> 1 && channels <> 3 then
            fail $"The pixels of an image have 1 level of grey or 3 of red, green and blue, not {channels}."

        let columns = defaultArg columns (min count 10)

        if columns < 1 then
            fail $"An image grid has at least one column, not {columns}."

        let labels = Option.map Seq.toArray >> Option.defaultValue [||]

        let trace, layout, area =
            ImageGrids.create images (count, height, width, channels) columns (labels rowLabels) (labels columnLabels)

        Chart([ { Trace = trace; Band = None; Color = None } ], layout, Some area)

    /// Images [N, H, W] of grey levels from 0 (black) to 1 (white), row by row in a grid of `Columns` (10 unless told). Levels outside are
    /// clipped.
    static member ImageGrid
        (images: float[,,], ?Columns: int, ?RowLabels: seq<string>, ?ColumnLabels: seq<string>)
        : Chart =
        let shape = images.GetLength 0, images.GetLength 1, images.GetLength 2, 1
        Chart.Images(Array.ofSeq (Seq.cast<float> images), shape, Columns, RowLabels, ColumnLabels)

    /// Images [N, H, W, C] with C = 1 level of grey or C = 3 levels of red, green and blue a pixel; otherwise as without C.
    static member ImageGrid
        (images: float[,,,], ?Columns: int, ?RowLabels: seq<string>, ?ColumnLabels: seq<string>)
        : Chart =
        let shape = images.GetLength 0, images.GetLength 1, images.GetLength 2, images.GetLength 3
        Chart.Images(Array.ofSeq (Seq.cast<float> images), shape, Columns, RowLabels, ColumnLabels)

    /// Images [N, H, W], or [N, D] with D = H², as a tensor; otherwise as from an array.
    static member ImageGrid
        (images: Tensor, ?Columns: int, ?RowLabels: seq<string>, ?ColumnLabels: seq<string>)
        : Chart =
        let shape = images.Shape

        let side (pixels: int) =
            let side = int (Math.Round(sqrt (float pixels)))

            if side * side <> pixels then
                fail
                    $"Images of {pixels} pixels are not square: give them as a tensor of shape [images, height, width] rather than {shape}."

            side

        let size =
            match shape.Rank with
            | 2 ->
                let side = side shape[1]
                shape[0], side, side, 1
            | 3 -> shape[0], shape[1], shape[2], 1
            | _ -> fail $"Images are a tensor of shape [images, height, width] or [images, pixels], not {shape}."

        Chart.Images(images.ToArray(), size, Columns, RowLabels, ColumnLabels)

    // ------------------------------------------------------------------------------------------------------------
    // Charts of frames

    /// A line through a frame's points (x, y) for each entry of column `group`, in the order of the rows, with error bars where y is an
    /// estimate or an interval: `frame |> Chart.lineBy "samples" "bound" "method"`.
    static member lineBy (x: string) (y: string) (group: string) (frame: Frame) : Chart =
        ofGroups x y group frame (fun data errors name -> Traces.points (Traces.lineMode data) data name errors None)

    /// A frame's points (x, y) in a colour for each entry of column `group`, with error bars as those of `lineBy`.
    static member scatterBy (x: string) (y: string) (group: string) (frame: Frame) : Chart =
        ofGroups x y group frame (fun data errors name -> Traces.points "markers" data name errors None)

    /// Bars of the heights y at x, in groups of one bar for each entry of column `group`, with error bars as those of `lineBy`.
    static member barBy (x: string) (y: string) (group: string) (frame: Frame) : Chart =
        ofGroups x y group frame (fun data errors name -> Traces.bars data name errors)

    // ------------------------------------------------------------------------------------------------------------
    // Changing charts

    /// Several charts in one frame of axes. Titles and axes are those of the first that has them.
    static member Combine(charts: seq<Chart>) : Chart =
        let charts = Seq.toList charts
        let layout = JsonObject()

        for chart in charts do
            Figure.fill layout chart.LayoutCore

        Chart(charts |> List.collect _.Series, layout, charts |> List.tryPick _.Area)

    /// Charts in rows and columns, each with axes, titles and colours of its own, in cells of `CellWidth` by `CellHeight` pixels (200 by 190 unless told).
    static member Grid(charts: seq<#seq<Chart>>, ?CellWidth: int, ?CellHeight: int) : Chart =
        let rows = [ for row in charts -> [ for chart in row -> chart.Series, chart.LayoutCore ] ]
        let series, layout = Subplots.create rows (defaultArg CellWidth 200, defaultArg CellHeight 190)
        Chart(series, layout, None)

    /// A title above the chart.
    static member WithTitle (title: string) (chart: Chart) : Chart =
        chart.With([ "title"; "text" ], Figure.string (Figure.text title))

    /// A title below the x axis.
    static member WithXTitle (title: string) (chart: Chart) : Chart =
        chart.With([ "xaxis"; "title"; "text" ], Figure.string (Figure.text title))

    /// A title beside the y axis.
    static member WithYTitle (title: string) (chart: Chart) : Chart =
        chart.With([ "yaxis"; "title"; "text" ], Figure.string (Figure.text title))

    /// Names the series, in order, for the legend.
    static member WithLabels (labels: seq<string>) (chart: Chart) : Chart =
        let labels = Seq.toArray labels

        if labels.Length <> chart.Series.Length then
            fail $"A chart of {chart.Series.Length} series got {labels.Length} labels."

        chart.EachTrace(fun i trace -> trace["name"] <- Figure.string (Figure.text labels[i]))

    /// The place in the palette, from 0, of the colour of each series, in order; those that belong together may share one.
    static member WithColors (places: seq<int>) (chart: Chart) : Chart =
        let places = Seq.toArray places

        if places.Length <> chart.Series.Length || Array.exists ((>) 0) places then
            fail $"A chart of {chart.Series.Length} series needs as many places of colours, from 0; it got %A{places}."

        let series = chart.Series |> List.mapi (fun i part -> { part with Color = Some places[i] })

        Chart(series, chart.LayoutCore, chart.Area)

    /// Which of the series, in order, are dashed lines.
    static member WithDashes (dashed: seq<bool>) (chart: Chart) : Chart =
        let dashed = Seq.toArray dashed

        if dashed.Length <> chart.Series.Length then
            fail $"A chart of {chart.Series.Length} series was told of {dashed.Length} whether they are dashed."

        chart.EachTrace(fun i trace ->
            if dashed[i] then
                Figure.set [ "line"; "dash" ] (Figure.string "dash") trace)

    /// Shows or hides the legend, which otherwise appears where several series have names.
    static member WithLegend (show: bool) (chart: Chart) : Chart = chart.With([ "showlegend" ], Figure.flag show)

    /// The size in pixels; otherwise a chart is as wide as its page.
    static member WithSize (width: int, height: int) (chart: Chart) : Chart =
        if width < 50 || height < 50 || width > 10_000 || height > 10_000 then
            fail $"A chart is 50 to 10,000 pixels wide and high, not {width} by {height}."

        let sized = chart.With([ "width" ], Figure.integer width)
        Chart(sized.Series, sized.With([ "height" ], Figure.integer height).LayoutCore, None)

    /// The chart with labels at these places of the x axis, such as the values of a sweep, and nowhere else.
    static member WithXTicks (values: seq<float>) (chart: Chart) : Chart =
        let labels = values |> Seq.map (fun value -> value.ToString("R", Globalization.CultureInfo.InvariantCulture))
        chart.With([ "xaxis"; "tickvals" ], Figure.numbers values).With([ "xaxis"; "ticktext" ], Figure.texts labels)

    member private chart.WithRange(axis: string, low: float, high: float) =
        if not (low < high) || not (Double.IsFinite(high - low)) then
            fail $"The range of an {axis} axis goes from a lower to a higher number, not from {low} to {high}."

        chart.With([ axis + "axis"; "range" ], Figure.numbers [ low; high ])

    /// The chart with this part of an x axis that is not logarithmic; what lies outside is cut off.
    static member WithXRange (low: float, high: float) (chart: Chart) : Chart = chart.WithRange("x", low, high)

    /// The chart with this part of a y axis that is not logarithmic; what lies outside is cut off.
    static member WithYRange (low: float, high: float) (chart: Chart) : Chart = chart.WithRange("y", low, high)

    /// A logarithmic x axis; numbers that are not positive are left out.
    static member WithLogX(chart: Chart) : Chart = chart.With([ "xaxis"; "type" ], Figure.string "log")

    /// A logarithmic y axis; numbers that are not positive are left out.
    static member WithLogY(chart: Chart) : Chart =
        // More ticks than these would run into each other.
        chart.With([ "yaxis"; "type" ], Figure.string "log").With([ "yaxis"; "nticks" ], Figure.integer 6)

    // ------------------------------------------------------------------------------------------------------------
    // The figure

    /// The figure as plotly.js takes it: an object with `data` and `layout`.
    member _.Figure: JsonObject = Traces.figure series layout area

    /// The figure as JSON.
    member chart.ToJson() = chart.Figure.ToJsonString()

    /// Draws the chart into a PNG file, 900 by 500 pixels unless it has a size; needs Chromium, and a GapLabException says so if it is not
    /// installed.
    static member savePng (path: string) (chart: Chart) : unit =
        let figure = chart.Figure
        let layout = figure["layout"].AsObject()
        Figure.fill layout (Figure.object [ "width", Figure.integer 900; "height", Figure.integer 500 ])
        let size (name: string) = layout[name].GetValue<int>()
        let html = PageHtml.document "Chart" true (PageHtml.figures [ 0, layout ]) [ figure ]
        Browser.withPage html (Browser.screenshot (size "width") (size "height") path)
