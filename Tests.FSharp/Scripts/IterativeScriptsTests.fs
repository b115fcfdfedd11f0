/// The scripts on iterative inference with generated data, as a user would run them, on one store.
module GapLab.Tests.Scripts.IterativeScriptsTests

open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks

let private scripts = ScriptFolder "Iterative"

[<OneTimeTearDown>]
let ``delete the store`` () = scripts.Delete()

let private table name arguments = scripts.Table name arguments

let private numbers column frame = Table.numbers column frame

/// Fresh weights give 784 log ½ = -543 nats.
let private hasLearnt nats = nats > -250. && nats < 0.

[<Test>]
let ``table1 compares two kinds of inference over seeds, on one latent level and on two`` () =
    let frame = table "table1" [ "--seed"; "1,2" ]
    equal [| "one"; "one"; "two"; "two"; "two" |] (Frame.col<string> "latent levels" frame)
    equal [| "standard"; "iterative"; "standard"; "ladder"; "iterative" |] (Frame.col<string> "inference" frame)
    let marginals = numbers "log p̂" frame
    holds $"all have learnt: %A{marginals}" (Array.forall hasLearnt marginals)
    let differences = Frame.getColumn "log p̂ - baseline" frame

    for standard, others in [ 0, [ 1 ]; 2, [ 3; 4 ] ] do
        equal Missing differences[standard]

        for other in others do
            near 1e-9 (marginals[other] - marginals[standard]) (Cell.number differences[other]).Value

[<TestCase("figure5a", 4)>]
[<TestCase("figure5b", 9)>]
let ``figures 5 have a row for each model`` (name: string) (models: int) =
    let frame = table name []
    equal models frame.RowCount

    for bound in [ "L"; "log p̂" ] do
        holds $"all have learnt: %A{numbers bound frame}" (Array.forall hasLearnt (numbers bound frame))

[<Test>]
let ``figure6 follows all methods from one start`` () =
    let frame = table "figure6" []
    equal [ "iterations"; "iterative"; "SGD"; "momentum"; "RMSProp"; "Adam" ] (List.ofSeq frame.ColumnKeys)
    let start = [ for method in List.tail (List.ofSeq frame.ColumnKeys) -> (numbers method frame)[0] ]
    equal 1 (List.distinct start).Length
    let last = Array.last (numbers "iterative" frame)
    holds $"{last} is above the start" (last > start.Head + 10.0)

[<Test>]
let ``table2 has two perplexities of each kind of inference, of words that a uniform model would give 1,000`` () =
    let frame = table "table2" []
    equal [| "none: frequencies of words"; "standard"; "iterative" |] (Frame.col<string> "inference" frame)

    for column in [ "per document"; "corpus" ] do
        holds column (numbers column frame |> Array.forall (fun value -> value > 50. && value < 1000.))

    holds
        "no published number"
        ((Frame.getColumn "published, per document" frame) |> Array.forall (Cell.number >> Option.isNone))

[<Test>]
let ``figure11 starts without improvement and ends with some`` () =
    let frame = table "figure11" []
    let improvement = numbers "improvement of L, %" frame
    equal 0. improvement[0]
    holds $"{Array.last improvement}" (Array.last improvement > 0.)
    holds "gradients" (numbers "|∂L/∂μ|" frame |> Array.forall (fun value -> value > 0.))

[<Test>]
let ``gaps add up after every iteration`` () =
    let frame = table "gaps" []
    equal 8 frame.RowCount

    for gap, approximation, amortization in
        Array.zip3
            (numbers "inference gap" frame)
            (numbers "approximation gap" frame)
            (numbers "amortization gap" frame) do
        near 1e-9 gap (approximation + amortization)

    // The search for q* is not the network: no iteration may come out above it beyond the noise of the estimates.
    holds "L[q] stays below L[q*]" (numbers "amortization gap" frame |> Array.forall (fun gap -> gap > -0.5))

[<TestCase("figure1", "gradient ascent")>]
[<TestCase("figure3", "x, ∇L")>]
[<TestCase("figure4", "iterations")>]
let ``figures on pages are written under their usual names`` (name: string) (words: string) =
    let html = scripts.Page name []
    holds words (html.Contains words)
