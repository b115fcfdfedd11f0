/// Images drawn pixel by pixel.
module GapLab.Tests.Models.PixelCnnSamplingTests

open System
open NUnit.Framework
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.PixelCnnFixtures
open GapLab.Tests.Checks

let private variants =
    [ tiny
      PixelCnnOptions(LatentSize = 2, KernelSizes = [| 3; 5 |], Channels = 3, LatentMaps = 1, SeesRowsWhole = true)
      PixelCnnOptions(LatentSize = 2, KernelSizes = [| 1; 3 |], Channels = 3, LatentMaps = 2, UnmaskedLatents = true)
      PixelCnnOptions(LatentSize = 0, KernelSizes = [| 7 |], Channels = 3) ]

let private valuesOf (x: Observations) = x.Values.ToArray()

[<Test>]
let ``a drawn pixel is the outcome of its mean given those before it`` () =
    for options in variants do
        for height, width in [ 4, 5; 1, 3; 5, 1 ] do
            let model = pixelCnn reference height width options
            let size, indices = height * width, [| 3; 8; 1 |]
            let like = observeAs reference indices (Array.replicate 3 (Array.create size 0.7))
            let z = latents reference 3 1 options.LatentSize
            let x = model.Sample(z, like, stream 5UL)
            equal indices (x.Indices.ToArray())
            let means = model.Output(z, x).Mean.ToArray()

            let expected =
                [| for b in 0..2 do
                       let uniform = Array.zeroCreate<float32> size
                       (stream 5UL).At(indices[b]).FillUniform(Span uniform)

                       for i in 0 .. size - 1 do
                           if float uniform[i] < means[b * size + i] then 1.0 else 0.0 |]

            equal expected (valuesOf x)

[<Test>]
let ``a drawn image depends on its z and its index alone`` () =
    let model = pixelCnn cpu 6 5 tiny
    let z = latents cpu 4 1 2
    let blank = Array.create 30 0.0
    let whole = model.Sample(z, observe cpu (Array.replicate 4 blank), stream 5UL) |> valuesOf |> Array.chunkBySize 30
    let rows = [| 2; 0 |]

    let some =
        model.Sample(
            z.Select(ReadOnlySpan rows),
            observeAs cpu rows (Array.replicate 2 (Array.create 30 1.0)),
            stream 5UL
        )

    equal (Array.concat [ whole[2]; whole[0] ]) (valuesOf some)

[<Test>]
let ``images are as frequent as they are probable`` () =
    let count = repetitions 4000 100000

    for options in [ tiny; PixelCnnOptions(LatentSize = 0, KernelSizes = [| 3; 3 |], Channels = 3) ] do
        let model = pixelCnn cpu 2 3 options
        // Steeper logits than a new model has, so that the pixels depend on one another.
        let output = model.Parameters[model.Parameters.Count - 2]
        output.Assign(Tensor.Create(cpu, output.Shape, [| for i in 1 .. output.Count -> 6.0 * cos (float i) |]))
        use _scope = MemoryScope.Enter(record = false)
        let size = options.LatentSize
        let one = (latents cpu 1 1 size)[0]

        let p =
            (model.LogLikelihood(observe cpu (allImages 6), Latents(one.BroadcastTo(Shape(64, 1, size))))).ToArray()
            |> Array.map exp

        let z = Latents(one.BroadcastTo(Shape(count, 1, size)))
        let x = model.Sample(z, repeated cpu count (Array.create 6 0.0), stream 7UL) |> valuesOf
        let counts = Array.zeroCreate<float> 64

        for image in Array.chunkBySize 6 x do
            let code = Seq.sum (Seq.mapi (fun i pixel -> int pixel <<< i) image)
            counts[code] <- counts[code] + 1.0

        // Pearson's statistic of 63 degrees of freedom: 126 or more has a probability of 4e-6.
        let expected = p |> Array.map (fun p -> p * float count)
        let statistic = Array.map2 (fun c e -> (c - e) ** 2.0 / e) counts expected |> Array.sum
        holds $"Pearson's statistic is {statistic}" (statistic < 126.0)
        holds "images differ in probability" (Array.max p > 4.0 * Array.min p)

[<Test>]
let ``data can be simulated from a PixelCNN`` () =
    let model = pixelCnn cpu 4 4 tiny
    let like = observeAs cpu [| 5; 2 |] (Array.replicate 2 (Array.create 16 0.0))
    let data = SimulatedData.Draw(model, like, stream 3UL)
    equal (Shape(2, 1, 2)) data.Latents[0].Shape
    let again = SimulatedData.Draw(model, like.Select(ReadOnlySpan [| 1 |]), stream 3UL)
    equal (Array.skip 16 (valuesOf data.Observations)) (valuesOf again.Observations)
    equal [| 0.0; 1.0 |] (valuesOf data.Observations |> Array.distinct |> Array.sort)

[<Test>]
let ``latent variables that do not fit are refused`` () =
    let model = pixelCnn cpu 2 2 tiny

    for z in [ latents cpu 2 2 2; latents cpu 3 1 2 ] do
        throws<ShapeException> [ "drawing 2 images"; $"{z[0].Shape}" ] (fun () ->
            model.Sample(z, observe cpu (binary 2 4 1UL), stream 1UL) |> ignore)
