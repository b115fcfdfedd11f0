module GapLab.Tests.Bounds.PerplexityTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Tests.Checks

[<Test>]
let ``the two conventions average over documents and over words`` () =
    // Words of probability 1/2 in a document of 2, of 1/8 in one of 6: exp of the mean of ln 2 and ln 8 is 4; (2 ln 2 + 18 ln 2) / 8 = 2.5 ln 2.
    let perplexity = Perplexity.Of([| 2. * log 0.5; 6. * log 0.125 |], [| 2.; 6. |])
    near 1e-12 4. perplexity.PerDocument
    near 1e-12 (2. ** 2.5) perplexity.Corpus
    // The rates differ from their mean by ln 2, n = 2.
    near 1e-12 (4. * log 2.) perplexity.PerDocumentError
    equal BoundDirection.Upper Perplexity.Direction

[<Test>]
let ``the errors are those of repeated samples of documents`` () =
    let random = Random 3

    let sample n =
        let lengths = Array.init n (fun _ -> float (1 + random.Next 50))

        let values =
            lengths |> Array.map (fun length -> -length * (5. + random.NextDouble()) - 3. * random.NextDouble())

        Perplexity.Of(values, lengths)

    let many = Array.init 400 (fun _ -> sample 100)

    let kinds: ((Perplexity -> float) * (Perplexity -> float)) list =
        [ (_.PerDocument), (_.PerDocumentError); (_.Corpus), (_.CorpusError) ]

    for value, error in kinds do
        let values = Array.map value many
        let mean = Array.average values
        let deviation = sqrt (values |> Array.averageBy (fun v -> (v - mean) ** 2.))
        // The standard deviation of 400 numbers is known within 3.5 %.
        near (0.15 * deviation) deviation (Array.averageBy error many)

[<Property(MaxTest = 50)>]
let ``a better bound gives a lower perplexity, and a uniform model that of its vocabulary`` (seed: int) =
    let random = Random seed
    let lengths = Array.init (1 + random.Next 9) (fun _ -> float (1 + random.Next 50))
    let uniform = Perplexity.Of(lengths |> Array.map (fun n -> -n * log 1000.), lengths)
    near 1e-9 1000. uniform.PerDocument
    near 1e-9 1000. uniform.Corpus
    let better = Perplexity.Of(lengths |> Array.map (fun n -> -n * log 1000. + random.NextDouble()), lengths)
    holds "lower" (better.PerDocument < 1000. && better.Corpus < 1000.)
    equal (lengths.Length = 1) (Double.IsNaN better.PerDocumentError)

[<Test>]
let ``documents without words are refused`` () =
    let refused (values: float[]) (lengths: float[]) =
        throws<GapLabException> [ "at least 1" ] (fun () -> Perplexity.Of(values, lengths) |> ignore)

    refused [||] [||]
    refused [| -1. |] [| 0. |]
    refused [| -1. |] [| nan |]
    refused [| -1. |] [| 1.; 2. |]
