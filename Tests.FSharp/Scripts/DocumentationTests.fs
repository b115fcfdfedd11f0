module GapLab.Tests.Scripts.DocumentationTests

open System.IO
open System.Text.RegularExpressions
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

/// The F# blocks of a page of the documentation, one after the other.
let private code (file: string) =
    [ for block in Regex.Matches(File.ReadAllText file, @"```fsharp\n(.*?)```", RegexOptions.Singleline) ->
          block.Groups[1].Value ]
    |> String.concat "\n"

/// Runs a page's examples as they stand, from another folder, and gives what they printed.
let private example folder page (arguments: string list) =
    let scripts = Path.Combine(repository, "Scripts").Replace('\\', '/')
    let text = (code (Path.Combine(repository, page))).Replace("#load \"", $"#load \"{scripts}/")
    File.WriteAllText(Path.Combine(folder, "example.fsx"), text)
    let outcome = runIn folder None "example.fsx" arguments
    equalFor outcome.Error 0 outcome.ExitCode
    outcome.Output

[<Test>]
let ``the examples of frames and charts run as they stand`` () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no chart can be saved."

    withFolder (fun folder ->
        holds "the table is printed" ((example folder "docs/frames-and-charts.md" []).Contains "±")

        for file in [ "runs.csv"; "page.html" ] do
            holds $"{file} is written" (File.Exists(Path.Combine(folder, file))))

[<Test>]
let ``the examples of the README and of experiments run as they stand`` () =
    withFolder (fun folder ->
        let output = example folder "README.md" [ "--results"; "results" ]

        for gap in [ "approximation"; "amortization"; "inference" ] do
            holds gap (output.Contains gap)

        let output = example folder "docs/experiments.md" [ "--results"; "results" ]

        for samples in [ 10; 100; 1000 ] do
            holds $"{samples} samples" (output.Contains $"IWAE-{samples} "))

[<Test>]
let ``the tutorial's family is exact where it must be, and is measured`` () =
    withFolder (fun folder ->
        let output = example folder "docs/tutorial.md" [ "--results"; "results" ]
        let gaps = Regex.Matches(output, @"(\S+) +approximation gap (-?[0-9.]+) ±")
        equal [ "FFG"; "Gaussian" ] [ for gap in gaps -> gap.Groups[1].Value ]
        let values = [ for gap in gaps -> float gap.Groups[2].Value ]
        near 0.02 0.283 values[0]
        near 0.005 0.0 values[1]

        for word in [ "rank one"; "TVO-10" ] do
            holds word (output.Contains word))
