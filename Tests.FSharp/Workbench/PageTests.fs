module GapLab.Tests.Workbench.PageTests

open System
open System.IO
open System.Text.RegularExpressions
open NUnit.Framework
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private needPlotly () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no page to test."

let private needBrowser () =
    needPlotly ()

    if (Browser.find ()).IsNone then
        Assert.Ignore "Chromium is not installed: pages are not drawn."

let private frame =
    Frame.ofColumns
        [ "method" => [ "VAE"; "VAE"; "<i>SVI</i>"; "<i>SVI</i>" ]
          "samples" => [ 1; 10; 1; 10 ]
          "bound" => [ Estimate(-90., 0.1); Value -89.; Interval(-88., -88.5, -87.75); Missing ] ]

let private grid = [ for y in 1..9 -> [ for x in 1..9 -> float (x * y) ] ]

/// Every kind of chart, with awkward texts and numbers.
let private charts =
    [ frame |> Chart.lineBy "samples" "bound" "method" |> Chart.WithLogX |> Chart.WithTitle "</script><b>"
      Chart.Line([ 1, 2.; 2, nan; 3, 4. ], Band = [ 1., 3.; nan, 4.; 3., 5. ], Name = "\u2028 \"'\\")
      frame |> Chart.scatterBy "samples" "bound" "method"
      frame |> Chart.barBy "samples" "bound" "method"
      Chart.Combine [ Chart.Histogram([ 1.; 2.; nan ], Name = "a"); Chart.Histogram([ 2.; 3. ], Name = "b", Bins = 5) ]
      Chart.Box [ 1.; 2.; 3.; 10. ]
      Chart.Heatmap(
          [ [ 1.; nan ]; [ 3.; 4. ] ],
          RowLabels = [ "1"; "2" ],
          ColumnLabels = [ "a"; "b" ],
          ShowValues = true
      )
      Chart.Contour grid
      Chart.Combine [ Chart.Contour(grid, Lines = true, Name = "p"); Chart.Contour(grid, Lines = true, Name = "q") ]
      Chart.Grid
          [ [ Chart.Contour(grid, Levels = [ 10.; 20. ]) |> Chart.WithTitle "a"; Chart.Line [ 1, 2; 2, 3 ] ]
            [ Chart.Combine [ Chart.Contour grid; Chart.Contour(grid, Lines = true) ]; Chart.Box [ 1.; 2. ] ] ]
      Chart.ImageGrid(Array3D.init 7 5 5 (fun _ y x -> float (x + y) / 10.), Columns = 3)
      |> Chart.WithTitle "images"
      Chart.Line([]: (int * int) list) |> Chart.WithSize(300, 200) ]

let private page =
    charts
    |> List.fold
        (fun page chart -> Page.addChart chart page)
        (Page.create "</title><script>document.title = 'broken'</script>")
    |> Page.addHeading "<h1>"
    |> Page.addText "a < b && c > d </p><script>throw 1</script>"
    |> Page.addFrame "</caption><script>throw 2</script>" frame
    |> Page.addCharts [ charts[0]; charts[1] ]

[<Test>]
let ``texts of a page are escaped, and everything is in the file`` () =
    needPlotly ()
    let html = Page.toHtml page
    // The figures, plotly.js and the drawing: no text opens another script, and no address is loaded.
    equal 3 (Regex.Matches(html, "<script").Count)
    equal 3 (Regex.Matches(html, "</script>").Count)
    equal 0 (Regex.Matches(html, "<(script|link|img|iframe)[^>]*(src|href)=").Count)
    holds "the button that uploads a chart is switched off" (html.Contains "showSendToCloud: false")
    holds "the licence of plotly.js is kept" (html.Contains "Licensed under the MIT license")

[<Test>]
let ``a page without charts needs no plotly.js`` () =
    let html = Page.create "Table" |> Page.addFrame "t" frame |> Page.toHtml
    holds "the page is small" (html.Length < 20_000)

[<Test>]
let ``a page that cannot be written is refused`` () =
    throws<GapLabException> [ "no-such-folder" ] (fun () ->
        Page.create "t" |> Page.save (Path.Combine("no-such-folder", "page.html")))

[<Test>]
let ``without plotly.js a sentence says how to get it`` () =
    withFolder (fun folder ->
        throws<GapLabException> [ "npm"; "build.fsx build" ] (fun () -> Plotly.read folder |> ignore))

[<Test>]
let ``without Chromium a sentence says how to get it`` () =
    needPlotly ()
    let path = Environment.GetEnvironmentVariable "PATH"

    try
        Environment.SetEnvironmentVariable("PATH", "")

        throws<GapLabException> [ "Chromium"; ".html" ] (fun () ->
            Chart.Line [ 1, 2 ] |> Chart.savePng (Path.Combine(Path.GetTempPath(), "never.png")))
    finally
        Environment.SetEnvironmentVariable("PATH", path)

[<Test>]
let ``Chromium draws every figure and has nothing to complain about`` () =
    needBrowser ()
    let dump = Browser.withPage (Page.toHtml page) (Browser.dump 1000)
    let count (pattern: string) = Regex.Matches(dump.Output, pattern).Count
    let console = dump.Log.Split '\n' |> Array.filter (fun line -> line.Contains "CONSOLE")
    equal [||] console
    equal 1 (count "data-figures=\"drawn\"")
    // Each figure has its traces, bars and so on in one svg, and a second one for what floats above.
    equal (charts.Length + 2) (count "<div class=\"user-select-none svg-container\"|<div class=\"svg-container\"")

    holds
        "no text became an element"
        (count "broken'</title>" = 0 && dump.Output.Contains "&lt;/title&gt;&lt;script&gt;")

/// Width and height, from the header of a PNG file.
let private pngSize (file: string) =
    let bytes = File.ReadAllBytes file
    equal [| 0x89uy; byte 'P'; byte 'N'; byte 'G' |] bytes[..3]

    let number (start: int) =
        Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(ReadOnlySpan(bytes, start, 4))

    number 16, number 20

[<Test>]
let ``charts and pages become pictures of their size`` () =
    needBrowser ()

    withFolder (fun folder ->
        let file = Path.Combine(folder, "chart.png")
        Chart.Line [ 1, 2; 2, 3 ] |> Chart.WithSize(400, 300) |> Chart.savePng file
        equal (800, 600) (pngSize file)
        let file = Path.Combine(folder, "page.png")
        Page.create "t" |> Page.addChart (Chart.Line [ 1, 2; 2, 3 ]) |> Page.savePng file
        let width, height = pngSize file
        equal 2080 width
        holds "the picture is as high as the page" (height > 900 && height < 1400))

[<Test>]
let ``a picture that cannot be written is refused`` () =
    needBrowser ()

    throws<GapLabException> [ "no-such-folder" ] (fun () ->
        Chart.Line [ 1, 2 ] |> Chart.savePng (Path.Combine("no-such-folder", "chart.png")))
