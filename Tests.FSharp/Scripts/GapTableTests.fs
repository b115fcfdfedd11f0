module GapLab.Tests.Scripts.GapTableTests

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

[<TestCase("table3.fsx", 2)>]
[<TestCase("table5.fsx", 3)>]
[<TestCase("table6.fsx", 2)>]
[<TestCase("table10.fsx", 1)>]
let ``every table runs on generated data, and its gaps add up`` (script: string) (models: int) =
    withFolder (fun folder ->
        let file = Path.Combine(folder, "table.csv")
        let outcome = run $"Scripts/{script}" [ "--results"; Path.Combine(folder, "results"); "--out"; file ]
        equalFor outcome.Error 0 outcome.ExitCode

        let frame = Frame.readCsv file

        let rows name =
            Frame.rows frame |> Seq.filter (fun row -> row.GetAs<string> "nats" = name) |> Seq.toList

        for column in [ "training points"; "test points" ] do
            let values name = [ for row in rows name -> (Cell.number row[column]).Value ]
            equal models (values "inference gap").Length

            for inference, approximation, amortization in
                List.zip3 (values "inference gap") (values "approximation gap") (values "amortization gap") do
                near 1e-9 inference (approximation + amortization))

[<Test>]
let ``of a table's families only those asked for are trained and shown`` () =
    withFolder (fun folder ->
        let file = Path.Combine(folder, "table.csv")
        let results = Path.Combine(folder, "results")
        let outcome = run "Scripts/table2.fsx" [ "--family"; "ffg"; "--results"; results; "--out"; file ]
        equalFor outcome.Error 0 outcome.ExitCode

        let models = Directory.GetFiles(results, "artifact.json", SearchOption.AllDirectories)
        equal 1 models.Length
        let rows = [ for row in Frame.rows (Frame.readCsv file) -> row.GetAs<string> "nats" ]
        // The other family's optimum stays a row.
        for name in [ "L[q]"; "L[Flow*]"; "inference gap" ] do
            equalFor name 1 (rows |> List.filter _.StartsWith(name) |> List.length))

[<Test>]
let ``a family that a table has no models of is refused with those that it has`` () =
    run "Scripts/table2.fsx" [ "--family"; "iaf" ] |> refuses [ "'iaf'"; "ffg, flow" ]
