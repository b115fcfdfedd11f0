/// diagnostics.fsx, sample.fsx, reconstruct.fsx and report.fsx on one store, as a user would run them.
module GapLab.Tests.Scripts.PictureScriptsTests

open System.IO
open System.Text.RegularExpressions
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private folder = lazy (Directory.CreateTempSubdirectory("gaplab-").FullName)

[<OneTimeTearDown>]
let ``delete the store`` () =
    if folder.IsValueCreated then
        Directory.Delete(folder.Value, true)

let private needPlotly () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no page to test."

/// Runs a script on the common store, which trains the model at the first time, and gives what it printed.
let private runs script arguments =
    let outcome =
        runIn folder.Value None (Path.Combine(repository, "Scripts", script)) (arguments @ [ "--results"; "store" ])

    equalFor outcome.Error 0 outcome.ExitCode
    outcome.Output

/// The HTML of a page, after Chromium, where there is one, has drawn all its figures and had nothing to complain about.
let private drawn file figures =
    let html = File.ReadAllText(Path.Combine(folder.Value, file))
    equal figures (Regex.Matches(html, "<div class=\"figure[^\"]*\" id=\"figure-").Count)

    if (Browser.find ()).IsSome then
        let dump = Browser.withPage html (Browser.dump 1000)
        equal [||] (dump.Log.Split '\n' |> Array.filter (fun line -> line.Contains "CONSOLE"))
        holds $"{file} is drawn" (dump.Output.Contains "data-figures=\"drawn\"")
        equal figures (Regex.Matches(dump.Output, "<div class=\"(user-select-none )?svg-container").Count)

    html

[<Test; Order 1>]
let ``sample shows means and draws, under a usual name`` () =
    needPlotly ()
    let output = runs "sample.fsx" []
    holds "the file is named" (output.Contains "samples.html is written")
    let html = drawn "samples.html" 2
    holds "means" (html.Contains "E[x | z]")

[<Test; Order 2>]
let ``reconstruct shows test images with their ELBOs`` () =
    needPlotly ()
    let output = runs "reconstruct.fsx" [ "--out"; "images.html" ]
    holds "the file is named" (output.Contains "images.html is written")
    let html = drawn "images.html" 1
    // A header and ten images.
    equal 11 (Regex.Matches(html, "<tr>").Count)
    holds "ELBOs" (html.Contains "<th class=\"number\">L[q*]</th>")

[<Test; Order 3>]
let ``diagnostics shows divergences, information and units`` () =
    needPlotly ()
    let output = runs "diagnostics.fsx" [ "--out"; "diagnostics.html" ]
    holds "the bound is named" (output.Contains "at most log 1000")
    let html = drawn "diagnostics.html" 1

    for column in [ "KL"; "mutual information"; "marginal KL"; "active units" ] do
        holds column (html.Contains $"<th class=\"number\">{column}</th>")

[<Test; Order 4>]
let ``report shows what the store holds, and computes nothing`` () =
    needPlotly ()

    let files () =
        Directory.GetFiles(Path.Combine(folder.Value, "store"), "*", SearchOption.AllDirectories)

    let before = files ()
    let output = runs "report.fsx" []
    holds "the file is named" (output.Contains "report.html is written")
    let html = drawn "report.html" 6
    holds "what is there" (html.Contains "1 model and 1 evaluation in")
    holds "the heading" (html.Contains "<h2>glyphs (train count 5000)</h2>")
    equal before (files ())

[<Test; Order 5>]
let ``figure2 shows posteriors over the plane, with gaps that add up`` () =
    needPlotly ()
    let output = runs "figure2.fsx" [ "--out"; "figure2.html" ]
    holds "the file is named" (output.Contains "figure2.html is written")
    let html = drawn "figure2.html" 1

    for row in [ "p(z | x)"; "q, encoder"; "q*, FFG"; "q*, flow" ] do
        holds row (html.Contains $"\"text\":\"{row}\"")

    for column in [ "log p(x)"; "IWAE of q*"; "AIS"; "approximation gap"; "inference gap" ] do
        holds column (html.Contains $"<th class=\"number\">{column}</th>")

    // What is measured of all points is stored; what is computed again has the same bits.
    runs "figure2.fsx" [ "--out"; "again.html" ] |> ignore
    holds "the same page" (html = File.ReadAllText(Path.Combine(folder.Value, "again.html")))

[<Test>]
let ``what cannot be shown is refused before any work`` () =
    let refused script arguments words =
        run $"Scripts/{script}" (arguments @ [ "--results"; Path.Combine(folder.Value, "none") ]) |> refuses words

    refused "sample.fsx" [ "--out"; "samples.csv" ] [ "samples.csv"; ".html, .png" ]
    let vectors = Path.Combine(folder.Value, "vectors.csv")
    File.WriteAllLines(vectors, Seq.replicate 100 "0.1,0.2,0.3")
    refused "reconstruct.fsx" [ "--dataset"; vectors ] [ "cannot be shown as images"; "3 numbers" ]

// Last, because it adds a model to the store.
[<Test; Order 9>]
let ``sample shows colours`` () =
    needPlotly ()
    runs "sample.fsx" [ "--dataset"; "shapes"; "--model"; "20:gaussian"; "--out"; "colours.html" ] |> ignore
    drawn "colours.html" 2 |> ignore
