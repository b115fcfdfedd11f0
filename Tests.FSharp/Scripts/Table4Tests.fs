module GapLab.Tests.Scripts.Table4Tests

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

[<Test>]
let ``linear encoders share a decoder and log p̂, and their gaps add up`` () =
    withFolder (fun folder ->
        let store, file = Path.Combine(folder, "results"), Path.Combine(folder, "table.csv")
        let outcome = run "Scripts/table4.fsx" [ "--results"; store; "--out"; file ]
        equalFor outcome.Error 0 outcome.ExitCode
        // A decoder, two encoders; L[q] and L[q*] of each and AIS for both, on two parts of the data; BDMC for both.
        equal 3 (Directory.GetFiles(store, "artifact.json", SearchOption.AllDirectories)).Length
        equal 11 (Directory.GetFiles(Path.Combine(store, "cells"), "*.json", SearchOption.AllDirectories)).Length
        let frame = Frame.readCsv file

        let value (model: string) (column: string) (name: string) =
            let row =
                Frame.rows frame
                |> Seq.find (fun row -> row.GetAs<string> "model" = model && row.GetAs<string> "nats" = name)

            (Cell.number row[column]).Value

        for column in [ "training points"; "test points" ] do
            let bounds =
                [ for model in [ "FFG"; "Flow" ] do
                      value model column "IWAE of q*"
                  value "FFG" column "AIS" ]

            for model in [ "FFG"; "Flow" ] do
                let value = value model column
                equal (List.max bounds) (value "log p̂")
                near 1e-9 (value "inference gap") (value "approximation gap" + value "amortization gap")
                near 1e-9 (value "inference gap") (value "log p̂" - value "L[q]"))
