module GapLab.Tests.Scripts.GapsTests

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private succeeds (outcome: Outcome) =
    equalFor outcome.Error 0 outcome.ExitCode
    outcome

let private gaps (folder: string) arguments =
    run "Scripts/gaps.fsx" ([ "--results"; Path.Combine(folder, "results") ] @ arguments)

/// A sweep that takes seconds.
let private small = [ "--samples"; "20,100"; "--steps"; "10,20"; "--iterations"; "200" ]

[<Test>]
let ``a sweep trains once, is shared by processes, averages seeds, and is found again`` () =
    withFolder (fun folder ->
        let file name = Path.Combine(folder, name)
        let sweep = small @ [ "--seed"; "1..2"; "--out"; file "gaps.csv" ]

        let estimate = gaps folder (sweep @ [ "--estimate" ]) |> succeeds
        holds "an estimate is printed" (estimate.Output.Contains "in all on")
        holds "nothing is computed for it" (not (Directory.Exists(file "results/cells")))

        // Two seeds need two models; L[q] and L[q*] for two numbers of samples, AIS for two of steps: 12 evaluations.
        let first = gaps folder (sweep @ [ "--jobs"; "2" ]) |> succeeds
        holds first.Output (first.Output.Contains "12 evaluations computed")
        equal 2 (Directory.GetFiles(file "results/artifacts", "artifact.json", SearchOption.AllDirectories).Length)
        let frame = Frame.readCsv (file "gaps.csv")
        equal [ "Samples"; "Steps" ] (List.truncate 2 frame.ColumnKeys)
        equal 4 frame.RowCount

        for averaged in Frame.col<Estimate> "amortization gap" frame do
            equal 2 averaged.Count

        let text = File.ReadAllText(file "gaps.csv")
        let again = gaps folder sweep |> succeeds
        holds again.Output (again.Output.Contains "everything was stored already")
        equal text (File.ReadAllText(file "gaps.csv"))

        // One process gives the same digits as two did.
        let anew = gaps folder (sweep @ [ "--recompute"; "all" ]) |> succeeds
        holds anew.Output (anew.Output.Contains "12 evaluations computed")
        equal text (File.ReadAllText(file "gaps.csv")))

[<Test>]
let ``a script's own decoder, family and bound are measured like the library's`` () =
    withFolder (fun folder ->
        let file = Path.Combine(folder, "own.csv")

        run "Scripts/own-parts.fsx" [ "--results"; Path.Combine(folder, "results"); "--out"; file ]
        |> succeeds
        |> ignore

        let frame = Frame.readCsv file
        equal [| "ffg"; "isotropic" |] (Frame.col<string> "Family" frame)

        for row in Frame.rows frame do
            let value (column: string) = (Cell.number row[column]).Value
            // Rényi's bound lies between the ELBO of the same q and log p(x).
            holds "above the ELBO" (value "Rényi 0.5" > value "L[q]")
            holds "below log p̂" (value "Rényi 0.5" < value "log p̂"))

[<Test>]
let ``what is wrong with a sweep is said in a sentence before any work`` () =
    withFolder (fun folder ->
        gaps folder [ "--family"; "cauchy" ] |> refuses [ "'cauchy'"; "ffg" ]
        gaps folder [ "--model"; "200-x" ] |> refuses [ "'200-x'"; "200-200" ]
        gaps folder [ "--samples"; "0" ] |> refuses [ "--samples"; "0" ]
        gaps folder [ "--seed"; "3..1" ] |> refuses [ "--seed"; "3..1" ]
        gaps folder [ "--jobs"; "1000" ] |> refuses [ "--jobs"; "1000" ]
        gaps folder [ "--checkpoint-minutes"; "0" ] |> refuses [ "--checkpoint-minutes" ]
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine")
        run "Scripts/gaps.fsx" [ "--results"; folder ] |> refuses [ folder; "not a folder of results" ])
