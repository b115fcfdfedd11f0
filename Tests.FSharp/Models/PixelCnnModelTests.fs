module GapLab.Tests.Models.PixelCnnModelTests

open System
open NUnit.Framework
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Objectives
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.PixelCnnFixtures
open GapLab.Tests.Checks

let private options kernels seesRowsWhole =
    PixelCnnOptions(LatentSize = 2, KernelSizes = kernels, Channels = 3, LatentMaps = 1, SeesRowsWhole = seesRowsWhole)

/// Which means change where a pixel does: [input][output].
let private influences height width options =
    let model = pixelCnn reference height width options
    use _scope = MemoryScope.Enter(record = false)
    let size = height * width
    let image = Array.init size (fun i -> 0.5 + 0.5 * cos (float i))

    let changed =
        Array.append
            [| image |]
            (Array.init size (fun pixel -> Array.mapi (fun i x -> if i = pixel then 3.0 - x else x) image))

    let z = Tensor.Create(reference, Shape(1, 1, 2), [| 0.7; -0.3 |]).BroadcastTo(Shape(size + 1, 1, 2))
    let means = model.Output(Latents z, observe reference changed).Mean.ToArray() |> Array.chunkBySize size
    [| for pixel in 1..size -> Array.map2 (<>) means[0] means[pixel] |]

/// As published, every layer moves down a row: of d rows above, at most d layers widen what is seen on the right.
let private isSeen width (kernels: int[]) i j =
    let rows, columns = j / width - i / width, i % width - j % width
    let widths = kernels |> Array.truncate (max 0 rows) |> Array.sumBy (fun k -> k / 2)
    i < j && (rows = 0 || columns <= widths)

[<TestCase(5, 6, "5,3,3,3,3")>]
[<TestCase(6, 5, "3,3,3,3,3,3")>]
[<TestCase(1, 7, "7,5")>]
[<TestCase(7, 1, "7,5")>]
[<TestCase(4, 4, "9,1,3,3")>]
let ``a pixel sees every pixel before it that the layers reach, and none from itself on``
    (height: int, width: int, kernels: string)
    =
    let kernels = kernels.Split ',' |> Array.map int

    for seesRowsWhole in [ false; true ] do
        let seen = influences height width (options kernels seesRowsWhole)

        for i in 0 .. height * width - 1 do
            for j in 0 .. height * width - 1 do
                let expected = if seesRowsWhole then i < j else isSeen width kernels i j

                equalFor $"whole rows {seesRowsWhole}: pixel {j} sees pixel {i}" expected (seen[i][j])

[<Test>]
let ``a single small kernel leaves distant pixels out, and never one from the pixel itself on`` () =
    let seen = influences 4 5 (options [| 3 |] false)

    let expected i j =
        let rows, columns = j / 5 - i / 5, i % 5 - j % 5
        i < j && (if rows = 0 then columns >= -2 else rows <= 2 && abs columns <= 1)

    equal [| for i in 0..19 -> [| for j in 0..19 -> expected i j |] |] seen

[<Test>]
let ``the first pixel sees z only where z is not masked, the others always`` () =
    for unmasked in [ false; true ] do
        let model =
            pixelCnn
                reference
                3
                4
                (PixelCnnOptions(LatentSize = 2, KernelSizes = [| 3; 3 |], Channels = 3, UnmaskedLatents = unmasked))

        let x = observe reference (binary 1 12 1UL)

        let means (z: float[]) =
            model.Output(Latents [| Tensor.Create(reference, Shape(1, 1, 2), z) |], x).Mean.ToArray()

        let changed = Array.map2 (<>) (means [| 0.1; 0.2 |]) (means [| 0.1; -0.9 |])
        equal (Array.init 12 (fun i -> unmasked || i > 0)) changed

[<TestCase(2, 3, "3")>]
[<TestCase(3, 2, "5,3")>]
[<TestCase(1, 6, "3,3,3")>]
let ``the probabilities of all images sum to one for every z`` (height: int, width: int, kernels: string) =
    let kernels = kernels.Split ',' |> Array.map int
    use _scope = MemoryScope.Enter(record = false)

    for latentSize in [ 2; 0 ] do
        for unmasked in [ true; false ] do
            let options =
                PixelCnnOptions(
                    LatentSize = latentSize,
                    KernelSizes = kernels,
                    Channels = 4,
                    LatentMaps = 2,
                    UnmaskedLatents = unmasked
                )

            for device, tolerance in [ reference, 1e-12; cpu, 1e-6 ] do
                let x = observe device (allImages 6)
                let own = [| for s in 0 .. 3 * latentSize - 1 -> 2.0 * cos (float s) |]

                let z =
                    Tensor
                        .Create(device, Shape(1, 3, latentSize), ReadOnlySpan own)
                        .BroadcastTo(Shape(64, 3, latentSize))

                let model = pixelCnn device height width options
                let logProb = model.LogLikelihood(x, Latents z)
                equal (Shape(64, 3), ElementType.Float64) (logProb.Shape, logProb.Type)
                let p = logProb.ToArray() |> Array.map exp

                for s in 0..2 do
                    near tolerance 1.0 (Seq.sum [ for i in 0..63 -> p[3 * i + s] ])

                equal latentSize (if p[0] = p[1] then 0 else 2)

/// The summed ELBO and the gradients of all parameters, λ's first, on one device.
let private derivatives (device: Device) =
    let model = pixelCnn device 5 4 tiny
    let family = FactorizedGaussian(device, 2)
    let x = observe device (binary 3 20 4UL)
    use _scope = MemoryScope.Enter()
    let lambda = sameLambda device 3 [| 0.3; -0.8 |] [| 0.5; 1.4 |]
    let objective = ElboObjective(model, family, x, Noise(x, stream 2UL, 2), ObjectiveWeights.Elbo, KlForm.Analytic)

    let direction =
        [| for i in 0..1 -> Tensor.Create(device, Shape(3, 2), [| for j in 0..5 -> cos (float (i + 3 * j)) |]) |]

    let own, shared = Array.zeroCreate<Tensor> 2, Array.zeroCreate<Tensor> model.Parameters.Count
    objective.HessianVectorProduct(lambda, ReadOnlySpan direction, Span own, Span shared)
    let gradients = Array.zeroCreate<Tensor>(model.Parameters.Count + 2)
    let value = objective.Value lambda
    Gradient.Of(value, [| lambda[0]; lambda[1]; yield! model.Parameters |], Span gradients)

    [ "value", value.ToArray()
      for name, all in [ "gradient", gradients; "product with λ", own; "product with θ", shared ] do
          for i in 0 .. all.Length - 1 do
              $"{name} {i}", all[i].ToArray() ]

[<Test>]
let ``values, gradients and Hessian-vector products on the CPU are those of the reference device`` () =
    for (name, exact), (_, obtained) in List.zip (derivatives reference) (derivatives cpu) do
        close name 2e-5 exact obtained

[<Test>]
let ``Hessian-vector products are differences of gradients`` () =
    let model = pixelCnn reference 3 3 tiny
    let family = FactorizedGaussian(reference, 2)
    let x = observe reference (binary 2 9 4UL)
    let noise = Noise(x, stream 2UL, 1)
    let objective = ElboObjective(model, family, x, noise, ObjectiveWeights(1, 0.3, 0.3, 0), KlForm.Analytic)
    let start = [| [| 0.3; -0.8; 0.1; 0.6 |]; [| -0.5; 0.2; 0.4; -0.1 |] |]
    let direction = [| [| 1.0; -0.5; 0.3; 0.8 |]; [| 0.4; 0.9; -1.1; 0.2 |] |]
    let matrix (values: float[]) = Tensor.Create(reference, Shape(2, 2), ReadOnlySpan values)

    let gradientAt step =
        use _scope = MemoryScope.Enter()

        let lambda =
            LocalParameters(Array.map2 (Array.map2 (fun l v -> l + step * v)) start direction |> Array.map matrix)

        let gradients = Array.zeroCreate<Tensor>(2 + model.Parameters.Count)
        Gradient.Of(objective.Value lambda, [| lambda[0]; lambda[1]; yield! model.Parameters |], Span gradients)
        Array.collect (fun (g: Tensor) -> g.ToArray()) gradients

    use _scope = MemoryScope.Enter()
    let own, shared = Array.zeroCreate<Tensor> 2, Array.zeroCreate<Tensor> model.Parameters.Count
    let lambda = LocalParameters(Array.map matrix start)
    objective.HessianVectorProduct(lambda, ReadOnlySpan(Array.map matrix direction), Span own, Span shared)
    let exact = Array.append own shared |> Array.collect (fun (h: Tensor) -> h.ToArray())
    let differences = Array.map2 (fun p m -> (p - m) / 2e-5) (gradientAt 1e-5) (gradientAt -1e-5)
    close "products" 1e-7 differences exact

[<Test>]
let ``samples of a datapoint are decoded as each by itself`` () =
    let model = pixelCnn reference 4 3 tiny
    let x = observe reference (binary 2 12 1UL)
    let z = latents reference 2 3 2
    let together = (model.LogLikelihood(x, z)).ToArray()

    for b in 0..1 do
        for s in 0..2 do
            let own =
                Latents
                    [| Tensor.Create(reference, Shape(1, 1, 2), z[0].ToArray()[2 * (3 * b + s) .. 2 * (3 * b + s) + 1]) |]

            let alone = model.LogLikelihood(x.Select(ReadOnlySpan [| b |]), own).ToArray()
            close "log p(x | z)" 1e-13 [| together[3 * b + s] |] alone

[<Test>]
let ``a datapoint's numbers do not depend on its batch`` () =
    let model = pixelCnn cpu 7 6 tiny
    let rows = binary 5 42 1UL
    use _scope = MemoryScope.Enter(record = false)
    let z = latents cpu 5 2 2
    let whole = (model.LogLikelihood(observe cpu rows, z)).ToArray()

    for b in 0..4 do
        let alone = model.LogLikelihood(observe cpu rows[b..b], z.Select(ReadOnlySpan [| b |])).ToArray()
        equal (bits whole[2 * b .. 2 * b + 1]) (bits alone)

[<Test>]
let ``many rows are decoded in pieces where no gradient is taken, with the same bits`` () =
    // 1,190 images of 42 pixels make a piece.
    let x = observe cpu (binary 2 42 1UL)

    for options in [ tiny; PixelCnnOptions(LatentSize = 0, KernelSizes = [| 3 |], Channels = 3) ] do
        let model = pixelCnn cpu 7 6 options
        let z = latents cpu 2 650 options.LatentSize

        let logProb record =
            use _scope = MemoryScope.Enter(record = record)
            bits ((model.LogLikelihood(x, z)).ToArray())

        equal (logProb true) (logProb false)

    let many = observe cpu (binary 1300 42 1UL)
    let model = pixelCnn cpu 7 6 (PixelCnnOptions(LatentSize = 0, KernelSizes = [| 3 |], Channels = 3))
    use _scope = MemoryScope.Enter(record = false)
    let whole = (model.LogLikelihood(many, latents cpu 1300 1 0)).ToArray()
    let last = (model.LogLikelihood(many.Select(ReadOnlySpan [| 1299 |]), latents cpu 1 1 0)).ToArray()
    equal (bits [| whole[1299] |]) (bits last)

[<Test>]
let ``without latent variables the ELBO, the importance-weighted bound and log p(x) are one`` () =
    let model = pixelCnn cpu 3 4 (PixelCnnOptions(LatentSize = 0, KernelSizes = [| 3; 3 |], Channels = 4))
    equal [| 0 |] (Array.ofSeq model.LatentSizes)
    holds model.Name (model.Name.Contains "no latent variables")
    let family = FactorizedGaussian(cpu, 0)
    let x = observe cpu (binary 3 12 2UL)
    use _scope = MemoryScope.Enter()
    let lambda = (FixedStart(cpu).Infer(model, family, x, stream 1UL, 0)).Final
    equal 3 lambda.Count
    let z = model.SamplePrior(Noise(x, stream 1UL, 1))
    equal (Shape(3, 1, 0)) z[0].Shape
    equal [| 0.0; 0.0; 0.0 |] (model.LogPrior(z).ToArray())
    let logProb = model.LogLikelihood(x, z).ToArray()
    equal logProb (model.LogJoint(x, z).ToArray())

    for form in [ KlForm.Analytic; KlForm.Sampled ] do
        let objective = ElboObjective(model, family, x, Noise(x, stream 1UL, 2), ObjectiveWeights.Elbo, form)
        equal logProb (objective.Value(lambda).ToArray())
        let gradient = Gradient.Of(objective.Value lambda, model.Parameters[0])
        holds "a gradient" (gradient.ToArray() |> Array.exists ((<>) 0.0))

    let estimate = ImportanceSampler(3).Estimate(model, family, x, lambda, stream 1UL)
    close "IWAE" 1e-12 logProb estimate.Iwae.Values
    let ais = Ais(AisOptions(Chains = 2, Betas = AnnealingSchedule.Linear 3)).Run(model, x, stream 1UL)
    close "AIS" 1e-6 logProb ais.LogMarginal.Values

[<Test>]
let ``the layers are those of the paper`` () =
    let model = pixelCnn cpu 28 28 (PixelCnnOptions())
    let shapes = dict [ for name, value in Seq.zip model.Parameters.Names model.Parameters -> name, value.Shape ]
    equal (2 + 12 * 8 + 2) shapes.Count
    equal (Shape(3136, 32)) shapes["decoder.latent.weight"]
    equal (Shape(64, 5, 9, 5)) shapes["decoder.0.vertical.weight"]
    equal (Shape(64, 1, 5, 5)) shapes["decoder.0.horizontal.weight"]
    equal (Shape(64, 4, 7, 32)) shapes["decoder.3.vertical.weight"]
    equal (Shape(64, 1, 2, 32)) shapes["decoder.11.horizontal.weight"]
    equal (Shape(64, 1, 1, 64)) shapes["decoder.11.across.weight"]
    equal (Shape(32, 1, 1, 32)) shapes["decoder.11.output.weight"]
    equal (Shape(1, 1, 1, 32)) shapes["decoder.output.weight"]

[<Test>]
let ``choices are described by what is chosen`` () =
    let text (choice: Component) = CanonicalJson.ToBytes(choice.ToJson()) |> Text.Encoding.UTF8.GetString

    equal
        """{"name":"pixel-cnn","revision":1,"settings":{"channels":32,"kernelSizes":[9,9,9,7,7,7,5,5,5,3,3,3],"latentMaps":4,"latentSize":32}}"""
        (text (PixelCnnModel.Choice()))

    equal
        """{"name":"pixel-cnn","revision":1,"settings":{"channels":4,"kernelSizes":[5,3,3],"latentMaps":2,"latentSize":2,"seesRowsWhole":true,"unmaskedLatents":true}}"""
        (text (
            PixelCnnModel.Choice(
                PixelCnnOptions(
                    LatentSize = 2,
                    KernelSizes = [| 5; 3; 3 |],
                    Channels = 4,
                    LatentMaps = 2,
                    UnmaskedLatents = true,
                    SeesRowsWhole = true
                )
            )
        ))

    let model = PixelCnnModel.Choice(tiny).Build(ModelContext(cpu, 25, stream 1UL))
    let direct = pixelCnn cpu 5 5 tiny
    equal direct.Name model.Name
    equal (bitsOf direct.Parameters) (bitsOf model.Parameters)

    throws<ShapeException> [ "PixelCnnModel"; "24"; "no square images" ] (fun () ->
        PixelCnnModel.Choice(tiny).Build(ModelContext(cpu, 24, stream 1UL)) |> ignore)

[<Test>]
let ``sizes that do not fit are refused`` () =
    let refuses words height width options =
        throws<ShapeException> ("PixelCnnModel" :: words) (fun () -> pixelCnn cpu height width options |> ignore)

    refuses [ "0x3" ] 0 3 tiny
    refuses [ "0 layers" ] 3 3 (PixelCnnOptions(KernelSizes = [||]))
    refuses [ "0 channels" ] 3 3 (PixelCnnOptions(Channels = 0))
    refuses [ "0 maps" ] 3 3 (PixelCnnOptions(LatentMaps = 0))
    let model = pixelCnn cpu 3 3 tiny

    throws<ShapeException> [ "PixelCnnModel"; "[2, 8]"; "3x3" ] (fun () ->
        model.Output(latents cpu 2 1 2, observe cpu (binary 2 8 1UL)) |> ignore)
