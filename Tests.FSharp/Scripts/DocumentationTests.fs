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

[<Test>]
let ``the examples of frames and charts run as they stand`` () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no chart can be saved."

    withFolder (fun folder ->
        let scripts = Path.Combine(repository, "Scripts").Replace('\\', '/')

        let text =
            (code (Path.Combine(repository, "docs", "frames-and-charts.md")))
                .Replace("#load \"", $"#load \"{scripts}/")

        File.WriteAllText(Path.Combine(folder, "example.fsx"), text)
        let outcome = runIn folder None "example.fsx" []
        equalFor outcome.Error 0 outcome.ExitCode
        holds "the table is printed" (outcome.Output.Contains "±")

        for file in [ "runs.csv"; "page.html" ] do
            holds $"{file} is written" (File.Exists(Path.Combine(folder, file))))
