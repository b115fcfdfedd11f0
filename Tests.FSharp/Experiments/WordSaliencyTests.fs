/// Saliency of words against differences.
module GapLab.Tests.Experiments.WordSaliencyTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private samples, vocabulary, latent = 3, 6, 2

let private vaeWith steps =
    let options = LstmModelOptions(LatentSize = latent, EmbeddingSize = 3, HiddenSize = 4, InitialRange = 0.8)
    let model = LstmModel(reference, vocabulary, options, stream 2UL)
    let family = FactorizedGaussian(reference, latent)
    let encoder = LstmEncoder(family, reference, vocabulary, 3, 4, 0.8, stream 3UL)

    let inference: InferenceMethod =
        if steps = 0 then
            encoder
        else
            SemiAmortized(encoder, SemiAmortizedOptions(Iterations = steps, BatchSize = 4, Clip = Nullable()))

    Vae(model, family, inference)

let private text (sentences: int[] list) =
    TokenObservations(reference, [| for sentence in sentences -> ReadOnlyMemory sentence |])

let private sampled (vae: Vae) (x: Observations) =
    let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, RandomStream(4UL, RandomPurpose.Evaluation), 0).Final
    let noise = Noise(x, RandomStream(4UL, RandomPurpose.Importance).Fork 7UL, samples)
    vae.Family.Sample(lambda, vae.Model, noise).Latents[0]

let private norm (values: float[]) = sqrt (Array.sumBy (fun v -> v * v) values)

[<Test>]
let ``output saliency is the norm of each word's derivative, averaged over samples`` () =
    use _ = MemoryScope.Enter(record = false)
    let vae = vaeWith 0
    let x = text [ [| 1; 5; 0; 2 |] ]
    let found = Seq.exactlyOne (WordSaliency.Of(vae, x, samples, 4UL))
    let z = (sampled vae x).ToArray()

    let logProbs (z: float[]) =
        let output =
            vae.Model.Output(Latents [| Tensor.Create(reference, Shape(1, 1, latent), z) |], x) :?> TokenSequence

        output.WordLogProbs(x).ToArray()

    let h = 1e-5

    let perSample =
        [ for s in 0 .. samples - 1 ->
              let own = z[s * latent .. (s + 1) * latent - 1]

              let differences =
                  [ for d in 0 .. latent - 1 ->
                        let moved by = Array.mapi (fun i v -> if i = d then v + by else v) own
                        Array.map2 (fun a b -> (a - b) / (2.0 * h)) (logProbs (moved h)) (logProbs (moved -h)) ]

              logProbs own, [| for t in 0..3 -> norm [| for d in differences -> d[t] |] |] ]

    let average choose =
        [| for t in 0..3 -> perSample |> List.averageBy (fun each -> (choose each: float[])[t]) |]

    close "saliency" 1e-7 (average snd) (Seq.toArray found.Output)
    close "log-probabilities" 1e-12 (average fst) (Seq.toArray found.LogProbabilities)
    equal [ 1; 5; 0; 2 ] (List.ofSeq found.Words)

[<TestCase 0>]
[<TestCase 2>]
let ``input saliency is the norm of the average derivative, through the encoder and the steps`` (steps: int) =
    use _ = MemoryScope.Enter(record = false)
    let vae = vaeWith steps
    let sentence = [| 1; 5; 0 |]
    let x = text [ sentence ]
    let found = Seq.exactlyOne (WordSaliency.Of(vae, x, samples, 4UL))

    let encoder: InferenceMethod =
        match vae.Inference with
        | :? SemiAmortized as method -> method.StartMethod
        | method -> method

    let table = encoder.Parameters[Seq.findIndex ((=) "encoder.words.weight") encoder.Parameters.Names]
    let values = table.ToArray()

    let length (changed: float[]) =
        table.Assign(Tensor.Create(reference, table.Shape, changed))
        let z = (sampled vae x).ToArray()
        [ for s in 0 .. samples - 1 -> norm z[s * latent .. (s + 1) * latent - 1] ] |> List.average

    let h = 1e-5

    // Every word occurs once, so that its row of the table is its embedding.
    let expected =
        [| for word in sentence ->
               norm
                   [| for i in 0..2 ->
                          let moved by = Array.mapi (fun j v -> if j = 3 * word + i then v + by else v) values
                          (length (moved h) - length (moved -h)) / (2.0 * h) |] |]

    table.Assign(Tensor.Create(reference, table.Shape, values))
    close "saliency" 1e-7 expected (Seq.toArray found.Input)
    holds "it is not zero" (expected |> Array.forall (fun v -> v > 1e-6))

[<Test>]
let ``sentences do not change each other, and what has no saliency is refused`` () =
    let vae = vaeWith 1
    let sentences = [ [| 1; 5; 0; 2 |]; [| 3; 3 |] ]
    let numbers (saliency: WordSaliency) = List.ofSeq saliency.Output, List.ofSeq saliency.Input
    let together = WordSaliency.Of(vae, text sentences, samples, 4UL) |> Seq.map numbers |> List.ofSeq
    let second = (text sentences).Select(ReadOnlySpan [| 1 |]) :?> TokenObservations
    equal together[1] (numbers (Seq.exactlyOne (WordSaliency.Of(vae, second, samples, 4UL))))
    throws<GapLabException> [ "at least 1 sample" ] (fun () -> WordSaliency.Of(vae, text sentences, 0) |> ignore)

    let plain =
        LstmModel(
            reference,
            vocabulary,
            LstmModelOptions(LatentSize = 0, EmbeddingSize = 3, HiddenSize = 4),
            stream 2UL
        )

    let without = Vae(plain, FactorizedGaussian(reference, 0), FixedStart reference)

    throws<GapLabException> [ "a model with latent variables" ] (fun () ->
        WordSaliency.Of(without, text sentences) |> ignore)
