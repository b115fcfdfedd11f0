/// Language models with latent variables, and the encoder of sentences.
module GapLab.Tests.Models.LstmModelTests

open System
open NUnit.Framework
open GapLab.Data.Text
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private options entry latent =
    LstmModelOptions(LatentSize = latent, EmbeddingSize = 3, HiddenSize = 4, Entry = entry, InitialRange = 1.0)

let private model device entry latent vocabulary = LstmModel(device, vocabulary, options entry latent, stream 5UL)

let private text device (sentences: int[] list) =
    TokenObservations(device, [| for sentence in sentences -> ReadOnlyMemory sentence |])

let private entries = [ LatentEntry.InputsAndState; LatentEntry.Output ]

let private latents device (values: float[]) (shape: int list) =
    Latents [| Tensor.Create(device, Shape(List.toArray shape), values) |]

let private logProbs (model: LstmModel) z x = model.LogLikelihood(x, z).ToArray()

let private logProb model z x = Array.exactlyOne (logProbs model z x)

[<Test>]
let ``the probabilities of all sentences of a length sum to 1`` () =
    let all =
        [ for a in 0..2 -> [ for b in 0..2 -> [ for c in 0..2 -> [| a; b; c |] ] ] ] |> List.concat |> List.concat

    for entry in entries do
        let model = model reference entry 2 3
        let z = latents reference (Array.concat (List.replicate all.Length [| 0.7; -1.2 |])) [ all.Length; 1; 2 ]
        near 1e-12 1.0 (logProbs model z (text reference all) |> Array.sumBy exp)

    let plain = model reference LatentEntry.InputsAndState 0 3

    near
        1e-12
        1.0
        (logProbs plain (latents reference [||] [ all.Length; 1; 0 ]) (text reference all) |> Array.sumBy exp)

[<Test>]
let ``a sentence's probability is that of its words one after the other`` () =
    for entry in entries do
        let model = model reference entry 2 5
        let z = latents reference [| 0.3; 0.9 |] [ 1; 1; 2 ]
        let x = text reference [ [| 4; 0; 2 |] ]
        let words = (model.Output(z, x) :?> TokenSequence).WordLogProbs(x).ToArray()
        near 1e-12 (Array.sum words) (logProb model z x)

        for length in 1..2 do
            let beginning = text reference [ Array.take length [| 4; 0; 2 |] ]
            near 1e-12 (Array.sum (Array.take length words)) (logProb model z beginning)

[<Test>]
let ``sentences of different lengths and samples do not change each other`` () =
    let sentences = [ [| 1; 4; 0; 3 |]; [| 2 |]; [| 3; 3 |] ]
    let values = Array.init 18 (fun i -> sin (float (3 * i)))

    for device in [ reference; cpu ] do
        for entry in entries do
            let model = model device entry 2 5
            let together = logProbs model (latents device values [ 3; 3; 2 ]) (text device sentences)

            let alone =
                [| for row in 0..2 do
                       for sample in 0..2 do
                           let own = Array.sub values ((row * 3 + sample) * 2) 2
                           logProb model (latents device own [ 1; 1; 2 ]) (text device [ sentences[row] ]) |]

            // To the bit: a datapoint's numbers depend on no other.
            equal alone together

[<Test>]
let ``gradients and Hessian-vector products agree with differences`` () =
    for entry in entries do
        let model = model reference entry 2 4
        let x = text reference [ [| 1; 3; 0 |]; [| 2; 2 |] ]
        let family = FactorizedGaussian(reference, 2)

        let objective = ElboObjective(model, family, x, Noise(x, stream 6UL, 2), ObjectiveWeights.Elbo, KlForm.Analytic)

        let values = [| 0.1; -0.4; 0.8; 0.2; -0.3; 0.5; 0.6; -0.7 |]

        let lambda (values: float[]) =
            LocalParameters
                [| for block in Array.chunkBySize 4 values -> Tensor.Create(reference, Shape(2, 2), block) |]

        let value v =
            use _ = MemoryScope.Enter()
            objective.Value(lambda v).Sum().ToDouble()

        let moved v i by = Array.mapi (fun j a -> if i = j then a + by else a) v

        let gradient v =
            use _ = MemoryScope.Enter()
            let found = Array.zeroCreate<Tensor> 2
            objective.Gradient(lambda v, found) |> ignore
            found |> Array.collect _.ToArray()

        let h = 1e-5

        let differences f =
            [| for i in 0..7 -> (f (moved values i h) - f (moved values i -h)) / (2.0 * h) |]

        close "gradient" 1e-7 (differences value) (gradient values)
        use _ = MemoryScope.Enter()
        let direction = [| 0.5; 1.0; -1.0; 0.3; 0.2; -0.6; 0.4; 0.9 |]
        let products = Array.zeroCreate<Tensor> 2
        let parameterProducts = Array.zeroCreate<Tensor> objective.Parameters.Count
        let v = (lambda direction).Blocks |> Seq.toArray
        objective.HessianVectorProduct(lambda values, ReadOnlySpan v, Span products, Span parameterProducts)
        let along by = gradient (Array.map2 (fun a d -> a + by * d) values direction)
        let expected = Array.map2 (fun plus minus -> (plus - minus) / (2.0 * h)) (along h) (along -h)
        close "H v" 1e-6 expected (products |> Array.collect _.ToArray())

        holds
            "θ's products are not zero"
            (parameterProducts |> Seq.exists (fun p -> p.ToArray() |> Array.exists (fun a -> abs a > 1e-3)))

[<Test>]
let ``sampled sentences occur as often as they are likely`` () =
    let draws = repetitions 20_000 200_000
    let model = model cpu LatentEntry.Output 1 3
    let z = latents cpu (Array.create draws 0.8) [ draws; 1; 1 ]
    let indices = ReadOnlyMemory [| 0 .. draws - 1 |]

    let counts =
        model.SampleSentences(z, stream 7UL, indices, 2) |> Seq.countBy (fun s -> s.ToArray() |> Array.toList) |> dict

    for first in 0..2 do
        for second in 0..2 do
            let p = exp (logProb model (latents cpu [| 0.8 |] [ 1; 1; 1 ]) (text cpu [ [| first; second |] ]))

            let found = float counts[[ first; second ]] / float draws
            agrees $"{first} {second}" p (found, sqrt (p * (1.0 - p) / float draws))

[<Test>]
let ``sampling stops at the end word, does not depend on other sentences, and sharpens with the temperature`` () =
    let model = model cpu LatentEntry.InputsAndState 2 4
    let noise = Noise(cpu, stream 8UL, ReadOnlyMemory [| 0..49 |], 1)
    let z = model.SamplePrior noise

    let sample (z: Latents) (indices: int[]) temperature =
        model.SampleSentences(z, stream 9UL, ReadOnlyMemory indices, 8, Nullable 2, temperature)

    let sentences = [ for s in sample z [| 0..49 |] 1.0 -> s.ToArray() ]

    for s in sentences do
        holds
            "the end is the last word, or the sentence has full length"
            (Array.IndexOf(s, 2) = s.Length - 1 || (s.Length = 8 && not (Array.contains 2 s)))

    holds "some end early" (sentences |> List.exists (fun s -> s.Length < 8))
    let last = latents cpu (z[0].ToArray()[98..99]) [ 1; 1; 2 ]
    let one temperature = (Seq.exactlyOne (sample last [| 49 |] temperature)).ToArray()
    equal sentences[49] (one 1.0)

    // At a temperature near 0 every word is the likeliest.
    let greedy = one 1e-6
    let x word = text cpu [ [| word |] ]
    equal ([ 0..3 ] |> List.maxBy (fun word -> logProb model last (x word))) greedy[0]
    throws<GapLabException> [ "temperature 0" ] (fun () -> one 0.0 |> ignore)

[<Test>]
let ``dropout is a function of the noise, works in training only, and keeps expectations`` () =
    let dropping =
        LstmModel(
            cpu,
            5,
            LstmModelOptions(
                LatentSize = 2,
                EmbeddingSize = 6,
                HiddenSize = 6,
                Dropout = 0.5,
                WordDropout = 0.3,
                InitialRange = 0.5
            ),
            stream 5UL
        )

    let x = text cpu [ [| 4; 0; 2 |]; [| 1; 1; 3 |] ]
    let z = latents cpu [| 0.3; 0.9; -0.5; 0.1 |] [ 2; 1; 2 ]
    let value (m: GenerativeModel) = m.LogLikelihood(x, z).ToArray()
    let noise step = Noise(x, stream 3UL, 1, step)
    let plain = value dropping
    equal plain (value (dropping.WithTrainingNoise(noise 0)))
    equal plain (value (dropping.InTraining()))
    let dropped step = value (dropping.InTraining().WithTrainingNoise(noise step))
    equal (dropped 1) (dropped 1)
    holds "other noise drops other numbers" (dropped 1 <> dropped 2)

    // A sentence's numbers do not depend on its batch.
    let second = x.Select(ReadOnlySpan [| 1 |])
    let alone = dropping.InTraining().WithTrainingNoise(Noise(second, stream 3UL, 1, 1))
    equal [| (dropped 1)[1] |] (alone.LogLikelihood(second, latents cpu [| -0.5; 0.1 |] [ 1; 1; 2 ]).ToArray())

[<Test>]
let ``masks drop the share that was asked for and keep the mean`` () =
    let count = 200
    let noise = Noise(cpu, stream 4UL, ReadOnlyMemory [| 0 .. count - 1 |], 1)

    for p in [ 0.1; 0.5; 0.8 ] do
        let mask = (Dropout.Mask(noise, p, Shape(count, 100), 0, 1)).ToArray()

        equal
            [| 0.0; float (float32 (1.0 / (1.0 - p))) |]
            (Array.sort (Array.distinct mask) |> Array.map (fun v -> float (float32 v)))

        let dropped = mask |> Array.filter ((=) 0.0) |> Array.length |> float
        let n = float mask.Length
        agrees $"share at {p}" p (dropped / n, sqrt (p * (1.0 - p) / n))

[<Test>]
let ``the oracle's weights follow its options and not the experiment's seed`` () =
    let options = OracleOptions(VocabularySize = 7, HiddenSize = 4, EmbeddingSize = 3)
    let weight (m: LstmModel) name = m.Parameters[Seq.findIndex ((=) name) m.Parameters.Names].ToArray()
    let oracle = LstmModel.Oracle(cpu, options)
    let output = weight oracle "decoder.output.weight" |> Array.chunkBySize 6

    holds
        "weights of h lie within the range"
        (output |> Array.forall (fun row -> row[..3] |> Array.forall (fun w -> abs w <= 1.0)))

    let ofLatents = output |> Array.collect (fun row -> row[4..])

    holds
        "weights of z lie within theirs and use it"
        (Array.forall (fun w -> abs w <= 5.0) ofLatents && Array.exists (fun w -> abs w > 1.0) ofLatents)

    equal output (weight (LstmModel.Oracle(cpu, options)) "decoder.output.weight" |> Array.chunkBySize 6)

    let other =
        LstmModel.Oracle(cpu, OracleOptions(VocabularySize = 7, HiddenSize = 4, EmbeddingSize = 3, Seed = 2UL))

    holds
        "another seed, other weights"
        (weight other "decoder.lstm.state.weight" <> weight oracle "decoder.lstm.state.weight")

    let sentences count = OracleSentences.Make(options, 3UL, 10, count)
    let words (set: SentenceSet) i = set.Words(i).ToArray()
    equal (words (sentences 20) 7) (words (sentences 8) 7)
    equal (5, 7, 17) ((words (sentences 8) 7).Length, (sentences 8).VocabularySize, (sentences 8).Id 7)

[<Test>]
let ``the encoder reads a sentence to its end and no further`` () =
    for device in [ reference; cpu ] do
        let family = FactorizedGaussian(device, 2)
        let encoder = LstmEncoder(family, device, 5, 3, 4, 0.8, stream 5UL)

        let infer (x: TokenObservations) =
            let lambda = encoder.Infer(null, family, x, stream 1UL, 0).Final
            [ for row in 0 .. x.Count - 1 -> [ for block in lambda.Blocks -> (block.ToArray())[2 * row .. 2 * row + 1] ] ]

        let sentences = [ [| 1; 4; 0; 3 |]; [| 2 |]; [| 3; 3 |] ]
        let together = infer (text device sentences)
        equal [ for sentence in sentences -> List.exactlyOne (infer (text device [ sentence ])) ] together
        holds "λ depends on the last word" (infer (text device [ [| 3; 3 |] ]) <> infer (text device [ [| 3; 2 |] ]))
        holds "and on the first" (infer (text device [ [| 3; 3 |] ]) <> infer (text device [ [| 1; 3 |] ]))

[<Test>]
let ``what is no sentence, or has unknown words, is refused`` () =
    let model = model cpu LatentEntry.InputsAndState 2 4
    let z = latents cpu [| 0.0; 0.0 |] [ 1; 1; 2 ]

    throws<ShapeException> [ "Sentences are needed" ] (fun () ->
        model.LogLikelihood(DenseObservations(Tensor.Create(cpu, Shape(1, 2), [| 0.0; 1.0 |])), z) |> ignore)

    throws<ShapeException> [ "Word 1 (from 0) of sentence 0 is 4"; "words 0 to 3" ] (fun () ->
        model.LogLikelihood(text cpu [ [| 0; 4 |] ], z) |> ignore)

    let output = model.Output(z, text cpu [ [| 0; 1 |] ])
    throws<ShapeException> [ "do not fit" ] (fun () -> output.LogProb(text cpu [ [| 0 |] ]) |> ignore)
    throws<GapLabException> [ "have no mean" ] (fun () -> output.Mean |> ignore)
    throws<GapLabException> [ "sample sentences from the model" ] (fun () -> output.Sample(stream 1UL) |> ignore)

    throws<GapLabException> [ "LstmModel" ] (fun () ->
        LstmModel(cpu, 4, LstmModelOptions(Dropout = 1.0), stream 1UL) |> ignore)

    throws<GapLabException> [ "LstmEncoder" ] (fun () ->
        LstmEncoder(FactorizedGaussian(cpu, 2), cpu, 0, 3, 4, 0.1, stream 1UL) |> ignore)

[<Test>]
let ``simulated sentences have the lengths of the batch and belong to their indices`` () =
    let model = model cpu LatentEntry.Output 2 4

    let like =
        TokenObservations(cpu, [| ReadOnlyMemory [| 0; 0; 0 |]; ReadOnlyMemory [| 0 |] |], ReadOnlyMemory [| 7; 9 |])

    let simulated = GapLab.Bounds.SimulatedData.Draw(model, like, stream 4UL)
    let sentences = simulated.Observations :?> TokenObservations
    equal [ 3; 1 ] [ for row in 0..1 -> sentences.LengthOf row ]
    equal [ 7; 9 ] (List.ofArray (sentences.Indices.ToArray()))
    let alone = GapLab.Bounds.SimulatedData.Draw(model, like.Select(ReadOnlySpan [| 1 |]), stream 4UL)
    equal (sentences.Sentence(1).ToArray()) ((alone.Observations :?> TokenObservations).Sentence(0).ToArray())
