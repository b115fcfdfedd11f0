/// Reports of result stores that hold what the workbench makes, and what it does not know.
module GapLab.Tests.Workbench.StoreReportTests

open System.Collections.Generic
open System.IO
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open NUnit.Framework
open GapLab.Data
open GapLab.Experiments
open GapLab.Specification
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private settings =
    { Suboptimality.smoke with
        Points = 5
        LocalSamples = 3
        LocalSteps = 100
        ImportanceSamples = 20
        Chains = 3
        Distributions = 5 }

/// A measure of a script: names that are awkward in tables, a number that is none.
type private Foreign() =
    inherit Measure(Component("<b>foreign</b>", 7, {| nested = {| levels = [ 1; 2 ] |} |}))
    override _.Title = "foreign"
    override _.IsOfWholeSet = true

    override _.Run(_, x, _, _, _) =
        MeasureResult(
            [| MeasuredColumn("odd | name", Array.init x.Count float) |],
            dict [ "odd | name", 3.5; "nothing", nan; "series.0", 1.; "series.1", 2. ] |> Dictionary
        )

let private evaluation (artifact: ArtifactSpec) (measure: Measure) =
    EvaluationSpec(Artifact = artifact, Measure = measure, Points = 5)

/// Two models with gaps, bounds on simulated data and diagnostics, and a measure that the workbench does not know.
let private fill folder =
    let runner, _ = runnerOn (Path.Combine(folder, "store"))
    let models = [ plainSpec folder 1UL; plainSpec folder 2UL ]

    runner.Ensure
        [| for model in models do
               yield! Suboptimality.evaluations settings model DataSplit.Test
               yield evaluation model (Diagnostics())
           yield evaluation models.Head (Foreign()) |]

    runner.Store

let private htmlOf store = StoreReport.page store ignore |> Page.toHtml

let private needPlotly () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no page to test."

/// The page without its scripts.
let private bodyOf (html: string) = html.Substring(0, html.IndexOf("<script", System.StringComparison.Ordinal))

[<Test>]
let ``a report has models, curves, gaps, diagnostics and every evaluation, known or not`` () =
    needPlotly ()

    withFolder (fun folder ->
        let store = fill folder
        let html = htmlOf store
        let body = bodyOf html

        for part in
            [ "2 models and 11 evaluations"
              "1 (seed 1)"
              "2 (seed 2)"
              "amortization"
              "inferred-bounds (samples 20)"
              "diagnostics (samples 20)"
              "&lt;b&gt;foreign&lt;/b&gt; (nested levels 1-2)"
              "odd | name"
              "2.00 ± " ] do
            holds $"the page has '{part}'" (body.Contains part)

        for part in [ "series.0"; "nothing"; "NaN"; "<b>"; "†" ] do
            holds $"the page has no '{part}'" (not (body.Contains part))

        // Objective and four validation curves, gaps of datapoints, latent dimensions.
        equal 7 (Regex.Matches(body, "id=\"figure-").Count)

        for artifact in store.Artifacts() do
            holds "descriptions" (body.Contains(FrameFormats.htmlText artifact.Description))
            holds "the last score" (body.Contains(Cell.nats (Seq.last artifact.Outcome.Curve).Validation.Elbo)))

[<Test>]
let ``gaps are those that the workbench computes`` () =
    needPlotly ()

    withFolder (fun folder ->
        let store = fill folder

        let cells = Suboptimality.evaluations settings (plainSpec folder 2UL) DataSplit.Test |> List.map store.FindCell

        let gaps = (Measurement.ofCells settings 2UL cells).Gaps
        let body = bodyOf (htmlOf store)

        for gap in [ gaps.Approximation; gaps.Amortization; gaps.Inference ] do
            let text = Cell.format (Interval(gap.Value, gap.Low, gap.High))
            holds $"the page has {text}" (body.Contains text))

[<Test>]
let ``models that are not stored any more, and values that cannot be read, do not stop a report`` () =
    needPlotly ()

    withFolder (fun folder ->
        let store = fill folder
        let spec = plainSpec folder 1UL
        Directory.Delete(Path.GetDirectoryName(store.WeightsPath spec), true)

        for file in
            Directory.GetFiles(Path.Combine(store.Folder, "cells"), "*.safetensors", SearchOption.AllDirectories) do
            File.WriteAllBytes(file, [| 1uy; 2uy |])

        let body = bodyOf (htmlOf store)
        holds "the other model" (body.Contains "1 model and 11 evaluations")
        holds "the missing model" (body.Contains "not stored any more")
        holds "the evaluations" (body.Contains "inferred-bounds")
        holds "the reason" (Regex.IsMatch(body, "damaged|cut off|safetensors")))

[<Test>]
let ``a store without results is refused`` () =
    withFolder (fun folder ->
        throws<GapLabException> [ "no results"; "--results" ] (fun () ->
            StoreReport.page (ResultStore.Open(Path.Combine(folder, "none"))) ignore |> ignore))

[<Test>]
let ``descriptions become words`` () =
    withFolder (fun folder ->
        let spec = (plainSpec folder 1UL).ToJson()
        let words = Map.ofList (SpecText.settings spec)
        equal (Some "dense") (Map.tryFind "model" words)
        equal (Some "2") (Map.tryFind "model latent size" words)
        equal (Some "4") (Map.tryFind "inference hidden" words)
        equal (Some "amortized") (Map.tryFind "inference" words)
        equal (Some "epochs 2, learning rate 0.01") (Map.tryFind "training schedule" words)
        holds "a user's file goes by its hash" ((SpecText.data spec).StartsWith "file "))

    let parse (text: string) = JsonNode.Parse text

    equal
        "a (hidden 200-200, of (b) size 3)"
        (SpecText.describe
            (fun _ -> true)
            (parse """{"name":"a","revision":1,"settings":{"hidden":[200,200],"of (b)":{"size":3}}}"""))

    // What other programs may have written.
    for odd in [ "{}"; "[]"; "3"; """{"data":5,"seed":-1}"""; """{"name":[1],"revision":"x","settings":null}""" ] do
        let node = parse odd
        SpecText.settings node |> ignore
        SpecText.describe (fun _ -> true) node |> ignore
        equal "unknown data" (SpecText.data node)
        equal None (SpecText.number "seed" node)
        equal false (SpecText.isOutdated node)

[<Test>]
let ``a description with an older revision is outdated, one of a script or of unknown parts is not judged`` () =
    withFolder (fun folder ->
        let json () = (evaluation (plainSpec folder 1UL) (InferredBounds 5)).ToJson()
        equal false (SpecText.isOutdated (json ()))
        let older = json ()
        older["artifact"].["model"].["revision"] <- 0
        equal true (SpecText.isOutdated older)
        older["artifact"].["model"].["source"] <- "of a script"
        equal false (SpecText.isOutdated older)
        let unknown = json ()
        unknown["measure"].["revision"] <- 0
        equal true (SpecText.isOutdated unknown)
        unknown["measure"].["name"] <- "unknown"
        equal false (SpecText.isOutdated unknown))
