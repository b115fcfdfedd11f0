module GapLab.Tests.Distributions.CountTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private reference = ReferenceDevice.Instance :> Device
let private devices = [ reference; CpuDevice.Instance ]

let private tensorOn (device: Device) (sizes: int[]) (values: float[]) = Tensor.Create(device, Shape sizes, values)

let private documents (device: Device) (words: int) (counts: float[]) =
    let weights = Tensor.Filled(device, Shape words, 1.)
    CountObservations(tensorOn device [| counts.Length / words; words |] counts, weights)

let private outputOf (device: Device) (sizes: int[]) (logits: float[]) (lengths: float[]) =
    Multinomial(tensorOn device sizes logits, tensorOn device [| lengths.Length |] lengths)

let private softmax (logits: float[]) =
    let weights = logits |> Array.map (fun a -> exp (a - Array.max logits))
    weights |> Array.map (fun w -> w / Array.sum weights)

[<Property(MaxTest = 50)>]
let ``densities are those of words drawn one by one`` (seed: int) =
    let random = Random seed
    let b, s, v = random.Next(1, 4), random.Next(1, 4), random.Next(1, 9)
    let logits = Array.init (b * s * v) (fun _ -> 6. * random.NextDouble() - 3.)
    let counts = Array.init (b * v) (fun _ -> float (random.Next 4))
    let lengths = counts |> Array.chunkBySize v |> Array.map Array.sum

    let expected =
        [| for row, own in logits |> Array.chunkBySize v |> Array.indexed do
               Array.map2 (fun x p -> x * log p) counts[row / s * v .. row / s * v + v - 1] (softmax own) |> Array.sum |]

    for device, tolerance in List.zip devices [ 1e-12; 1e-5 ] do
        let output = outputOf device [| b; s; v |] logits lengths
        let x = documents device v counts
        let density = output.LogProb x
        equal (Shape(b, s)) density.Shape
        equal ElementType.Float64 density.Type
        close $"log p(x | z) on {device}" tolerance expected (density.ToArray())
        equal lengths x.Lengths

        let mean =
            [| for row, own in logits |> Array.chunkBySize v |> Array.indexed do
                   yield! softmax own |> Array.map ((*) lengths[row / s]) |]

        close $"mean on {device}" tolerance mean (output.Mean.ToArray())

[<Test>]
let ``with the multinomial coefficient, the probabilities of all bags of one length sum to one`` () =
    let logits = [| 0.3; -1.2; 2.0 |]

    let bags =
        [| for i in 0..5 do
               for j in 0 .. 5 - i -> [| float i; float j; float (5 - i - j) |] |]

    let factorial n = Seq.fold (*) 1. (seq { 1. .. n })
    let coefficient bag = factorial 5. / (bag |> Array.map factorial |> Array.reduce (*))
    let repeated = Array.concat (Array.replicate bags.Length logits)
    let output = outputOf reference [| bags.Length; 1; 3 |] repeated (Array.replicate bags.Length 5.)
    let density = output.LogProb(documents reference 3 (Array.concat bags)).ToArray()
    near 1e-13 1. (Array.map2 (fun bag l -> coefficient bag * exp l) bags density |> Array.sum)

[<Test>]
let ``logits far apart neither overflow nor lose the density`` () =
    for device in devices do
        use _ = MemoryScope.Enter()
        // The second word is e^-1000 times as likely as the first; the third as likely as the first.
        let a = tensorOn device [| 1; 1; 3 |] [| 2000.; 1000.; 2000. |]
        let output = Multinomial(a, tensorOn device [| 1 |] [| 4. |])
        let density = output.LogProb(documents device 3 [| 1.; 1.; 2. |])
        near 1e-3 (-3. * log 2. - 1000. - log 2.) (density.ToDouble())
        close $"gradient on {device}" 1e-6 [| 1. - 2.; 1.; 2. - 2. |] (Gradient.Of(density, a).ToArray())

        holds
            "a bounded error"
            (output.Error(documents device 3 [| 1.; 1.; 2. |]).ToArray() |> Array.forall Double.IsFinite)

[<Property(MaxTest = 30)>]
let ``the error is the derivative with respect to the mean`` (seed: int) =
    let random = Random seed
    let b, s, v = random.Next(1, 4), random.Next(1, 4), random.Next(2, 7)
    use _ = MemoryScope.Enter()
    let logits = tensorOn reference [| b; s; v |] (Array.init (b * s * v) (fun _ -> 4. * random.NextDouble()))
    let x = documents reference v (Array.init (b * v) (fun _ -> float (1 + random.Next 4)))
    let output = Multinomial(logits, x.Values.Sum 1)
    let direct = Gradient.Of(output.LogProb x, logits)
    let throughMean = Gradient.Of(output.Mean, logits, output.Error x)
    close "gradient" 1e-10 (direct.ToArray()) (throughMean.ToArray())

[<Test>]
let ``samples have the document's length and the probabilities of its words`` () =
    let count, length = 4000, 5.
    let logits = [| 0.; 1.; -1.; -infinity |]
    let repeated = Array.concat (Array.replicate count logits)
    let output = outputOf reference [| 1; count; 4 |] repeated [| length |]
    let rows = output.Sample(RandomStream(6UL, RandomPurpose.ModelSampling)).ToArray() |> Array.chunkBySize 4
    holds "the length" (rows |> Array.forall (fun row -> Array.sum row = length))

    for word, p in Array.indexed (softmax logits) do
        // Four standard errors.
        near (4. * sqrt (length * p * (1. - p) / float count)) (length * p) (rows |> Array.averageBy (Array.item word))

[<Test>]
let ``encoders read the normalised TF-IDF, also of selected and of simulated documents`` () =
    for device in devices do
        let weights = tensorOn device [| 3 |] [| 1.; 2.; 0.5 |]
        let counts = tensorOn device [| 3; 3 |] [| 3.; 2.; 0.; 0.; 0.; 4.; 0.; 0.; 0. |]
        let x = CountObservations(counts, weights, ReadOnlyMemory [| 7; 8; 9 |])
        // (3, 4, 0) / 5; one word only; no words.
        let features = [| 0.6; 0.8; 0.; 0.; 0.; 1.; 0.; 0.; 0. |]
        close $"on {device}" 1e-7 features (x.Features.ToArray())
        equal [| 5.; 4.; 0. |] x.Lengths
        let selected = x.Select(ReadOnlySpan [| 1; 0 |])
        close "selected" 1e-7 [| 0.; 0.; 1.; 0.6; 0.8; 0. |] (selected.Features.ToArray())
        equal [| 0.; 0.; 4.; 3.; 2.; 0. |] (selected.Values.ToArray())
        equal [| 8; 7 |] (selected.Indices.ToArray())
        let other = (selected.WithValues(tensorOn device [| 2; 3 |] [| 0.; 1.; 0.; 0.; 0.; 9. |])).ToOwned()
        close "made anew" 1e-7 [| 0.; 1.; 0.; 0.; 0.; 1. |] (other.Features.ToArray())
        equal [| 8; 7 |] (other.Indices.ToArray())

[<Test>]
let ``what does not fit is refused`` () =
    let counts = Tensor.Filled(reference, Shape(2, 3), 1.)

    throws<ShapeException> [ "weights of shape [2]" ] (fun () ->
        CountObservations(counts, Tensor.Filled(reference, Shape 2, 1.)) |> ignore)

    throws<ShapeException> [ "1 indices" ] (fun () ->
        CountObservations(counts, Tensor.Filled(reference, Shape 3, 1.), ReadOnlyMemory [| 0 |]) |> ignore)

    throws<ShapeException> [ "lengths of shape [3]"; "[2, 1, 4]" ] (fun () ->
        outputOf reference [| 2; 1; 4 |] (Array.zeroCreate 8) [| 1.; 1.; 1. |] |> ignore)

    throws<ShapeException> [ "do not fit data" ] (fun () ->
        (outputOf reference [| 2; 1; 4 |] (Array.zeroCreate 8) [| 1.; 1. |])
            .LogProb(documents reference 3 [| 1.; 1.; 1.; 1.; 1.; 1. |])
        |> ignore)
