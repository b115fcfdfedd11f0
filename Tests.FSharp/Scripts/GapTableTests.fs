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
