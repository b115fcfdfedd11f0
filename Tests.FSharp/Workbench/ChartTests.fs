module GapLab.Tests.Workbench.ChartTests

open System
open System.Text.Json.Nodes
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Reference
open GapLab.Workbench
open GapLab.Tests.Checks

/// The JSON of a chart as a reader of the page gets it.
let private json (chart: Chart) = JsonNode.Parse(chart.ToJson())

let private traces chart =
    let data = (json chart)["data"]
    data.AsArray() |> List.ofSeq

/// The JSON at a place, such as "data.0.x".
let private at (place: string) (node: JsonNode) =
    let step (node: JsonNode) (name: string) =
        match Int32.TryParse name with
        | true, index -> node[index]
        | _ -> node[name]

    match Seq.fold step node (place.Split '.') with
    | null -> "null"
    | node -> node.ToJsonString()

/// The text at a place.
let private textAt place node = JsonNode.Parse(at place node).GetValue<string>()

[<Test>]
let ``numbers that are not finite become gaps`` () =
    let trace = traces (Chart.Line [ 1., 2.; 2., nan; 3., infinity ]) |> List.exactlyOne
    equal "[1,2,3]" (at "x" trace)
    equal "[2,null,null]" (at "y" trace)

[<Test>]
let ``texts are shown as they are written`` () =
    let chart = Chart.Bar([ "<b> & co", 1 ], Name = "a\nb") |> Chart.WithTitle "</script>"
    let figure = json chart
    equal "&lt;/script&gt;" (textAt "layout.title.text" figure)
    equal "&lt;b&gt; &amp; co" (textAt "data.0.x.0" figure)
    equal "a<br>b" (textAt "data.0.name" figure)
    holds "no text can end the script it stands in" (not (chart.ToJson().Contains '<'))

[<Test>]
let ``names that look like numbers stay names`` () =
    equal "category" (textAt "layout.xaxis.type" (json (Chart.Bar [ "10", 1.; "5", 2. ])))
    equal "null" (at "layout.xaxis" (json (Chart.Bar [ 10, 1.; 5, 2. ])))

[<Test>]
let ``error bars reach one standard error`` () =
    let trace = traces (Chart.Line([ 1, 2.; 2, 3. ], Errors = [ 0.5; nan ])) |> List.exactlyOne
    equal "[0.5,null]" (at "error_y.array" trace)

    throws<GapLabException> [ "2 points"; "1 error bars" ] (fun () ->
        Chart.Scatter([ 1, 2.; 2, 3. ], Errors = [ 0.5 ]) |> ignore)

[<Test>]
let ``a band is an outline around each run of known points, below the line, in its colour`` () =
    let chart =
        Chart.Combine
            [ Chart.Line([ 1, 0.; 2, 0. ], Name = "a")
              Chart.Line([ 1, 2.; 2, 3.; 3, 4.; 4, 5. ], Band = [ 1., 3.; 2., 4.; nan, 5.; 4., 6. ], Name = "b") ]

    match traces chart with
    | [ first; band; line ] ->
        equal "[1,2,2,1,null,4,4,null]" (at "x" band)
        equal "[3,4,2,1,null,6,4,null]" (at "y" band)
        equal "toself" (textAt "fill" band)
        equal "\"#d55e00\"" (at "line.color" line)
        equal "\"rgba(213,94,0,0.2)\"" (at "fillcolor" band)
        holds "each series has its colour" (at "line.color" first <> at "line.color" line)
    | other -> Assert.Fail $"Three traces expected, not {other.Length}."

[<Test>]
let ``frames become lines for each group, with the errors of estimates and intervals`` () =
    let frame =
        Frame.ofColumns
            [ "samples" => [ 1; 10; 1; 10 ]
              "method" => [ "VAE"; "VAE"; "SVI"; "SVI" ]
              "bound" => [ Estimate(-90., 0.1); Value -89.; Interval(-88., -88.5, -87.75); Missing ] ]

    let chart = frame |> Chart.lineBy "samples" "bound" "method"
    let figure = json chart
    equal "\"samples\"" (at "layout.xaxis.title.text" figure)
    equal "true" (at "layout.showlegend" figure)

    match traces chart with
    | [ vae; svi ] ->
        equal "\"VAE\"" (at "name" vae)
        equal "[0.1,null]" (at "error_y.array" vae)
        equal "[1,10]" (at "x" svi)
        equal "[-88,null]" (at "y" svi)
        equal "[0.25,null]" (at "error_y.array" svi)
        equal "[0.5,null]" (at "error_y.arrayminus" svi)
    | other -> Assert.Fail $"Two traces expected, not {other.Length}."

[<Test>]
let ``charts do not change`` () =
    let plain = Chart.Line [ 1, 2 ]
    let before = plain.ToJson()

    plain
    |> Chart.WithTitle "t"
    |> Chart.WithLabels [ "l" ]
    |> Chart.WithLogX
    |> Chart.WithSize(300, 200)
    |> ignore

    Chart.Combine [ plain |> Chart.WithXTitle "x"; plain ] |> ignore
    equal before (plain.ToJson())

[<Test>]
let ``titles, axes, legend and size are in the layout`` () =
    let chart =
        Chart.Combine [ Chart.Scatter [ 1, 2 ]; Chart.Scatter [ 1, 3 ] ]
        |> Chart.WithLabels [ "a"; "b" ]
        |> Chart.WithXTitle "x"
        |> Chart.WithYTitle "y"
        |> Chart.WithLogX
        |> Chart.WithLogY
        |> Chart.WithLegend false
        |> Chart.WithSize(640, 480)

    let layout = (json chart)["layout"]
    equal "\"log\"" (at "xaxis.type" layout)
    equal "\"log\"" (at "yaxis.type" layout)
    equal "\"x\"" (at "xaxis.title.text" layout)
    equal "false" (at "showlegend" layout)
    equal "640" (at "width" layout)
    equal [ "\"a\""; "\"b\"" ] [ for trace in traces chart -> at "name" trace ]
    throws<GapLabException> [ "2 series"; "1 label" ] (fun () -> Chart.WithLabels [ "a" ] chart |> ignore)
    throws<GapLabException> [ "10,000" ] (fun () -> Chart.WithSize (1, 1) chart |> ignore)

[<Test>]
let ``series may share colours, be dashed, and be cut off`` () =
    let plain = Chart.Combine [ for y in 1..3 -> Chart.Line([ 1, y; 2, y ], Band = [ 0., 4.; 0., 4. ]) ]

    let chart =
        plain |> Chart.WithColors [ 2; 2; 0 ] |> Chart.WithDashes [ false; true; false ] |> Chart.WithYRange(-1.5, 2.)

    let lines chart = traces chart |> List.filter (fun trace -> isNull trace["fill"])

    let own = [ for trace in lines plain -> at "line.color" trace ]
    equal [ own[2]; own[2]; own[0] ] [ for trace in lines chart -> at "line.color" trace ]
    equal [ false; true; false ] [ for trace in lines chart -> not (isNull trace["line"].["dash"]) ]
    equal "[-1.5,2]" (at "yaxis.range" ((json chart).["layout"]))
    throws<GapLabException> [ "3 series"; "[|0|]" ] (fun () -> Chart.WithColors [ 0 ] plain |> ignore)
    throws<GapLabException> [ "3 series" ] (fun () -> Chart.WithColors [ 0; -1; 2 ] plain |> ignore)
    throws<GapLabException> [ "3 series"; "2" ] (fun () -> Chart.WithDashes [ true; true ] plain |> ignore)

    for low, high in [ 1., 1.; 2., 1.; nan, 1.; 0., infinity ] do
        throws<GapLabException> [ "range" ] (fun () -> Chart.WithYRange (low, high) plain |> ignore)

[<Test>]
let ``grids must be rectangular and labels must fit`` () =
    throws<GapLabException> [ "row 2" ] (fun () -> Chart.Heatmap [ [ 1.; 2. ]; [ 3. ] ] |> ignore)

    throws<GapLabException> [ "2 columns"; "column labels" ] (fun () ->
        Chart.Heatmap([ [ 1.; 2. ] ], ColumnLabels = [ "a" ]) |> ignore)

    throws<GapLabException> [ "1 rows"; "Y" ] (fun () -> Chart.Contour([ [ 1.; 2. ] ], Y = [ 1.; 2. ]) |> ignore)

[<Test>]
let ``contours lie at the levels that are asked for`` () =
    let contour levels = Chart.Contour([ [ 1.; 2. ]; [ 3.; 4. ] ], Lines = true, Levels = levels)
    let trace = traces (contour [ 1.5; 2.; 2.5 ]) |> List.exactlyOne
    equal "false" (at "autocontour" trace)
    equal [ "1.5"; "2.5"; "0.5" ] [ for name in [ "start"; "end"; "size" ] -> at $"contours.{name}" trace ]
    let one = traces (contour [ -3. ]) |> List.exactlyOne
    equal [ "-3"; "-3" ] [ for name in [ "start"; "end" ] -> at $"contours.{name}" one ]

    for wrong in [ []; [ 2.; 1. ]; [ 1.; 1. ]; [ nan; 1. ] ] do
        throws<GapLabException> [ "rising" ] (fun () -> contour wrong |> ignore)

    throws<GapLabException> [ "equally far apart" ] (fun () -> contour [ 1.; 2.; 4. ] |> ignore)

[<Test>]
let ``charts of a grid have axes, titles and colours of their own`` () =
    let chart =
        Chart.Grid(
            [ [ Chart.Contour [ [ 1.; 2. ]; [ 3.; 4. ] ] |> Chart.WithTitle "A" |> Chart.WithYTitle "p"
                Chart.Line [ 1, 2 ] |> Chart.WithLogX ]
              [ Chart.Combine [ Chart.Line [ 1, 2 ]; Chart.Line([ 1, 3 ], Band = [ 2., 4. ]) ] ] ],
            CellWidth = 200,
            CellHeight = 100
        )

    let figure = json chart
    let names axis = [ for trace in traces chart -> textAt axis trace ]
    equal [ "x"; "x2"; "x3"; "x3"; "x3" ] (names "xaxis")
    equal [ "y"; "y2"; "y3"; "y3"; "y3" ] (names "yaxis")
    // Each chart starts the palette anew; a band has the colour of its line.
    equal [ "#0072b2"; "#0072b2"; "#d55e00" ] [ for i in [ 1; 2; 4 ] -> textAt $"data.{i}.line.color" figure ]
    equal "false" (at "data.0.showscale" figure)
    equal "\"p\"" (at "layout.yaxis.title.text" figure)
    equal "\"log\"" (at "layout.xaxis2.type" figure)
    equal "null" (at "layout.xaxis.type" figure)
    equal [ "x"; "y2"; "y3" ] [ for place in [ "yaxis"; "xaxis2"; "xaxis3" ] -> textAt $"layout.{place}.anchor" figure ]
    let titles = figure["layout"].["annotations"].AsArray()
    equal [ "A" ] [ for title in titles -> textAt "text" title ]

    let domain axis =
        [ for i in 0..1 -> JsonNode.Parse(at $"layout.{axis}.domain.{i}" figure).GetValue<float>() ]

    // The second column lies to the right of the first, the second row below it.
    holds "columns" ((domain "xaxis")[1] < (domain "xaxis2")[0])
    holds "rows" ((domain "yaxis3")[1] < (domain "yaxis")[0])
    equal (domain "xaxis") (domain "xaxis3")
    holds "the size of two cells" (JsonNode.Parse(at "layout.width" figure).GetValue<int>() >= 400)
    throws<GapLabException> [ "at least one chart" ] (fun () -> Chart.Grid([]: Chart list list) |> ignore)
    throws<GapLabException> [ "99" ] (fun () -> Chart.Grid([ [ Chart.Line [ 1, 2 ] ] ], CellWidth = 99) |> ignore)

/// The levels of one image of a drawn grid, with gaps of one pixel.
let private levels (chart: Chart) y x =
    let trace = List.exactlyOne (traces chart)
    [ for i in 0..1 -> [ for j in 0..1 -> at $"z.{3 * y + i}.{3 * x + j}" trace ] ]

[<Test>]
let ``images stand row by row in the grid, unsmoothed, with a gap between them`` () =
    let images = Array3D.init 3 2 2 (fun n y x -> (float n * 4. + float y * 2. + float x) / 255.)
    let chart = Chart.ImageGrid(images, Columns = 2)
    equal [ [ "0"; "1" ]; [ "2"; "3" ] ] (levels chart 0 0)
    equal [ [ "4"; "5" ]; [ "6"; "7" ] ] (levels chart 0 1)
    equal [ [ "8"; "9" ]; [ "10"; "11" ] ] (levels chart 1 0)
    let trace = List.exactlyOne (traces chart)
    equal "[0,1,null,4,5]" (at "z.0" trace)
    equal "[null,null,null,null,null]" (at "z.2" trace)
    equal "[8,9,null,null,null]" (at "z.3" trace)
    equal "false" (at "zsmooth" trace)

[<Test>]
let ``coloured images are red, green and blue, with nothing between them`` () =
    let images = Array4D.init 2 1 1 3 (fun n _ _ channel -> (float n * 3. + float channel) / 255.)
    let trace = List.exactlyOne (traces (Chart.ImageGrid images))
    equal "\"image\"" (at "type" trace)
    equal "[[0,1,2,255],[0,0,0,0],[3,4,5,255]]" (at "z.0" trace)

[<Test>]
let ``an image's pixel is a square of whole pixels`` () =
    let figure = json (Chart.ImageGrid(Array3D.zeroCreate 20 28 28, RowLabels = [ "data"; "model" ]))
    let pixels place = int (at $"layout.{place}" figure)
    let width = pixels "width" - pixels "margin.l" - pixels "margin.r"
    let height = pixels "height" - pixels "margin.t" - pixels "margin.b"
    // 10 images of 28 pixels with 9 gaps of 2, and 2 with 1.
    equal 0 (width % 298)
    equal (width / 298 * 58) height

[<Test>]
let ``images are clipped to their levels, and tensors of square images are taken`` () =
    let images = Tensor.Create(ReferenceDevice.Instance, Shape(1, 4), [| -1.; 0.5; 2.; nan |])
    equal [ [ "0"; "128" ]; [ "255"; "null" ] ] (levels (Chart.ImageGrid images) 0 0)

    throws<GapLabException> [ "5 pixels"; "square" ] (fun () ->
        Chart.ImageGrid(Tensor.Create(ReferenceDevice.Instance, Shape(1, 5), Array.zeroCreate 5)) |> ignore)

    throws<GapLabException> [ "2 rows"; "1" ] (fun () ->
        Chart.ImageGrid(Array3D.zeroCreate 20 2 2, RowLabels = [ "a" ]) |> ignore)

    throws<GapLabException> [ "1 level"; "3"; "not 2" ] (fun () ->
        Chart.ImageGrid(Array4D.zeroCreate 1 2 2 2: float[,,,]) |> ignore)

    throws<GapLabException> [ "needs images" ] (fun () -> Chart.ImageGrid(Array3D.zeroCreate 0 2 2) |> ignore)

[<Property>]
let ``every chart of any numbers is valid JSON with as many points``
    (points: (float * float) list)
    (title: NonNull<string>)
    =
    let chart = Chart.Line points |> Chart.WithTitle title.Get
    let trace = List.exactlyOne (traces chart)

    for coordinate in [ "x"; "y" ] do
        let numbers = trace[coordinate]
        equal points.Length (numbers.AsArray().Count)
