module GapLab.Tests.Scripts.Figure3Tests

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

[<TestCase(1, "1")>]
[<TestCase(10, "1 2 5 10")>]
[<TestCase(60, "1 2 5 10 20 50 60")>]
[<TestCase(3280, "1 2 5 10 20 50 100 200 500 1000 2000 3280")>]
let ``snapshots are taken after 1, 2, 5, 10, ... epochs and after the last`` (last: int) (expected: string) =
    equal expected (TrainingCurves.snapshotEpochs last |> List.map string |> String.concat " ")

[<Test>]
let ``curves have every bound at every snapshot, and continue Table 2's run`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "results")

        let run file =
            let outcome = run "Scripts/figure3.fsx" [ "--results"; store; "--out"; Path.Combine(folder, file) ]
            equalFor outcome.Error 0 outcome.ExitCode
            outcome.Output

        holds "it sums up" ((run "curves.csv").Contains "decoder overfitting")
        let rows = Frame.readCsv (Path.Combine(folder, "curves.csv")) |> Frame.rows |> Seq.toList

        let epochs images =
            [ for row in rows do
                  if Cell.format row["images"] = images then
                      row.GetAs<int> "epoch" ]
            |> List.distinct

        equal [ 1; 2; 5; 10 ] (epochs "5,000")
        equal [ 1; 2; 5; 10; 20 ] (epochs "300")
        // Two families, two parts of the data, three bounds.
        equal ((4 + 5) * 12) rows.Length

        for point in rows |> List.chunkBySize 3 do
            match [ for row in point -> row.GetAs<string> "bound", (Cell.number row["nats"]).Value ] with
            | [ "AIS", _; "IWAE", iwae; "ELBO", elbo ] -> holds "IWAE is the tighter bound" (iwae >= elbo)
            | other -> Assert.Fail $"%A{other}"

        // The model of Table 2 is the last snapshot: nothing is trained for it any more.
        let spec = Suboptimality.trainSpec Suboptimality.smoke "glyphs" 1UL
        holds "shared with Table 2" (not (isNull ((GapLab.Experiments.ResultStore.Open store).FindArtifact spec)))
        holds "found again" ((run "again.csv").Contains "everything was stored already")

        equal
            (File.ReadAllText(Path.Combine(folder, "curves.csv")))
            (File.ReadAllText(Path.Combine(folder, "again.csv"))))
