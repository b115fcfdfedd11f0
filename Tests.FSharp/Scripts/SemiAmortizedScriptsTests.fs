/// The scripts on semi-amortized inference with generated data, as a user would run them, on one store.
module GapLab.Tests.Scripts.SemiAmortizedScriptsTests

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks

let private scripts = ScriptFolder "SemiAmortized"

[<OneTimeTearDown>]
let ``delete the store`` () = scripts.Delete()

let private rowOf model (frame: Frame) = Array.findIndex ((=) model) (Frame.col<string> "model" frame)

let private bound column model frame =
    let cells = Frame.getColumn column frame
    (Cell.number cells[rowOf model frame]).Value

[<Test>]
let ``table1 bounds the true probability of the oracle's sentences`` () =
    let frame = scripts.Table "table1" [ "--seed"; "1,2" ]
    equal 6 frame.RowCount
    let truth = bound "oracle generator" "true, 50 samples of the prior" frame
    near 1e-9 truth (bound "oracle generator" "the same for the first 20 points" frame)
    let ais = bound "oracle generator" "AIS for the first 20 points" frame
    near 1.0 truth ais

    for model in [ "VAE"; "SVI, 3 steps"; "SA-VAE, 3 steps" ] do
        let own = bound "oracle generator" model frame
        holds $"{model}: {own} exceeds {ais}" (own > ais)
        // A uniform model of 30 words would give 5 log 30 = 17.0 nats.
        let learned = bound "learned generator" model frame
        holds $"{model} has learnt: {learned}" (learned < 17.0)

[<Test>]
let ``table2 has a row for each way of training, and perplexities of the words`` () =
    let frame = scripts.Table "table2" []

    equal
        [ "autoregressive"
          "VAE"
          "VAE+INIT"
          "VAE, word dropout 25 %"
          "SVI, 3 steps"
          "VAE+SVI, 3 steps"
          "VAE+SVI+KL, 3 steps"
          "SA-VAE, 3 steps" ]
        (List.ofArray (Frame.col<string> "model" frame))

    // Sentences of the oracle have 5 words.
    for perplexity, negative in Array.zip (Table.numbers "perplexity" frame) (Table.numbers "-L" frame) do
        near 1e-6 perplexity (exp (negative / 5.0))
        holds "better than uniform" (perplexity < 1000.0)

    equal Missing (Array.head (Frame.getColumn "KL" frame))

[<Test>]
let ``text of one's own is modelled at the size that is asked for`` () =
    let folder = Directory.CreateTempSubdirectory "gaplab-"

    try
        let file = Path.Combine(folder.FullName, "own.txt")
        File.WriteAllLines(file, [ for i in 0..199 -> $"word{i % 7} and word{i % 5} or word{i % 3}" ])
        let output = scripts.Runs "table2" [ "--dataset"; file; "--hidden"; "6"; "--vocabulary"; "9" ]
        holds "sizes" (output.Contains "LSTM of 6, embeddings of 3, 9 words")
        holds "vocabulary" (output.Contains "vocabulary of 9 words")
    finally
        folder.Delete true

[<Test>]
let ``table3 and capacity compare models of images`` () =
    let frame = scripts.Table "table3" []
    equal 6 frame.RowCount
    holds "-L" (Table.numbers "-L" frame |> Array.forall (fun nats -> nats > 0. && nats < 2000.))
    let capacity = scripts.Table "capacity" []
    equal [| 20.; 30.; 60.; 60. |] (Table.numbers "training datapoints" capacity)

    for vae, semi, difference in
        Array.zip3
            (Table.numbers "-L of the VAE" capacity)
            (Table.numbers "-L of the SA-VAE" capacity)
            (Table.numbers "difference" capacity) do
        near 1e-9 (semi - vae) difference

[<Test>]
let ``figure2 counts steps from both starts`` () =
    let frame = scripts.Table "figure2" []

    let rows model start =
        [| for i in 0 .. frame.RowCount - 1 do
               if (Frame.col<string> "model" frame)[i] = model && (Frame.col<string> "start" frame)[i] = start then
                   i |]

    equal 6 (rows "SVI, 3 steps" "N(0, I)").Length
    equal 0 (rows "SVI, 3 steps" "the encoder's λ").Length
    equal 6 (rows "SA-VAE, 3 steps" "the encoder's λ").Length

[<Test>]
let ``gaps of all ways of inference for one decoder add up`` () =
    let frame = scripts.Table "gaps" []
    equal [| "VAE"; "SVI"; "VAE+SVI"; "VAE+SVI+KL"; "SA-VAE" |] (Frame.col<string> "inference" frame)

    for gap, approximation, amortization in
        Array.zip3
            (Table.numbers "inference gap" frame)
            (Table.numbers "approximation gap" frame)
            (Table.numbers "amortization gap" frame) do
        near 1e-9 gap (approximation + amortization)

    let steps = (Frame.getColumn "L before the steps" frame)
    equal Missing steps[0]
    holds "steps raise the ELBO from N(0, I)" ((Table.numbers "L[q]" frame)[1] > (Cell.number steps[1]).Value)

[<TestCase("figure1", "step by step")>]
[<TestCase("figure3", "Input saliency")>]
[<TestCase("figure4", "content words")>]
let ``figures on pages are written under their usual names`` (name: string) (words: string) =
    holds words ((scripts.Page name []).Contains words)

[<Test>]
let ``a sentence of one's own has its saliency`` () =
    let html = scripts.Page "figure3" [ "--text"; "w3 w7 w9" ]
    holds "its words are marked" (html.Contains "Your sentence" && html.Contains ">w7</mark>")
    scripts.Refuses "figure3" [ "--text"; "nonsense" ] [ "'nonsense' is not in the vocabulary" ]
    scripts.Refuses "figure3" [ "--text"; "  " ] [ "has no words" ]

[<Test>]
let ``data of another kind are refused before anything is trained`` () =
    scripts.Refuses "table2" [ "--dataset"; "glyphs" ] [ "'glyphs' holds no sentences" ]
    scripts.Refuses "table3" [ "--dataset"; "oracle" ] [ "'oracle' holds no images" ]
    scripts.Refuses "table2" [ "--vocabulary"; "2" ] [ "--vocabulary takes at least 3 words" ]
