/// The model of colour images: its decoder, its encoder, and batch normalisation in both.
module GapLab.Tests.Models.ConvolutionalModelTests

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
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private vaeOf (device: Device) latent (channels: int[]) (scaleHidden: int[]) side imageChannels =
    let init = stream 1UL
    let model = ConvolutionalModel(device, latent, channels, scaleHidden, side, imageChannels, init.Fork 1UL)
    let family = FactorizedGaussian(device, latent)
    Vae(model, family, ConvolutionalEncoder(family, device, channels, side, imageChannels, init.Fork 2UL))

/// Images of 10x10 pixels with two numbers each, which become 4x4 and 1x1.
let private small device = vaeOf device 3 [| 3; 4 |] [| 4 |] 10 2

let private levels count dimensions seed =
    Array.init count (fun i -> Array.init dimensions (fun j -> float ((stream seed).At(i).Below(256, int64 j)) / 255.0))

let private shapesOf (parameters: ParameterSet) =
    [ for name, value in Seq.zip parameters.Names parameters -> name, value.Shape ]

/// Running averages that differ from those of a new layer, as after training.
let private unsettle (vae: Vae) =
    for name, value in Seq.zip vae.ParameterNames vae.Parameters do
        let numbers first step =
            Tensor.Create(value.Device, value.Shape, Array.init value.Count (fun i -> first + step * float i))

        if name.EndsWith ".norm.mean" then
            value.Assign(numbers -0.1 0.07)
        elif name.EndsWith ".norm.variance" then
            value.Assign(numbers 0.3 0.2)
        elif name.EndsWith ".norm.scale" then
            value.Assign(numbers 0.8 0.1)

[<Test>]
let ``the layers are those of Table 9 of the paper`` () =
    let vae = vaeOf cpu 32 [| 64; 128; 256 |] [| 64; 32 |] 32 3

    let norm name channels =
        [ for part in [ "scale"; "shift"; "mean"; "variance" ] -> $"{name}.norm.{part}", Shape(channels: int) ]

    equal
        [ yield "decoder.start.weight", Shape(1024, 32)
          yield "decoder.start.bias", Shape 1024
          yield "decoder.0.weight", Shape(256, 4, 4, 128)
          yield! norm "decoder.0" 128
          yield "decoder.1.weight", Shape(128, 4, 4, 64)
          yield! norm "decoder.1" 64
          yield "decoder.2.weight", Shape(64, 4, 4, 3)
          yield "decoder.2.bias", Shape 3
          yield "scale.0.weight", Shape(64, 32)
          yield "scale.0.bias", Shape 64
          yield "scale.1.weight", Shape(32, 64)
          yield "scale.1.bias", Shape 32
          yield "scale.output.weight", Shape(3, 32)
          yield "scale.output.bias", Shape 3 ]
        (shapesOf vae.Model.Parameters)

    equal
        [ yield "encoder.0.weight", Shape(64, 4, 4, 3)
          yield! norm "encoder.0" 64
          yield "encoder.1.weight", Shape(128, 4, 4, 64)
          yield! norm "encoder.1" 128
          yield "encoder.2.weight", Shape(256, 4, 4, 128)
          yield! norm "encoder.2" 256
          yield "encoder.mean.weight", Shape(32, 1024)
          yield "encoder.mean.bias", Shape 32
          yield "encoder.logVariance.weight", Shape(32, 1024)
          yield "encoder.logVariance.bias", Shape 32 ]
        (shapesOf vae.Inference.Parameters)

    holds vae.Model.Name (vae.Model.Name.Contains "2-6-15-32 pixels")
    holds vae.Inference.Name (vae.Inference.Name.Contains "32-15-6-2 pixels")

[<TestCase(32, 3)>]
[<TestCase(22, 3)>]
[<TestCase(23, 3)>]
[<TestCase(10, 2)>]
[<TestCase(11, 2)>]
[<TestCase(4, 1)>]
let ``images come back in the size that they went in with`` (side: int, convolutions: int) =
    let vae = vaeOf cpu 2 (Array.init convolutions (fun i -> i + 2)) [||] side 3
    let dimensions = 3 * side * side
    let x = observe cpu (levels 2 dimensions 1UL)
    use _scope = MemoryScope.Enter(record = false)
    let lambda = (vae.Inference.Infer(vae.Model, vae.Family, x, stream 2UL, 0)).Final
    equal [ Shape(2, 2); Shape(2, 2) ] [ for block in lambda.Blocks -> block.Shape ]
    let z = vae.Family.Sample(lambda, vae.Model, Noise(x, stream 3UL, 5)).Latents
    let output = vae.Model.Output(z, x)
    equal (Shape(2, 5, dimensions)) output.Mean.Shape
    equal (Shape(2, 5)) (output.LogProb x).Shape
    equal ElementType.Float64 (output.LogProb x).Type

let private parameter (vae: Vae) name = vae.Parameters[vae.ParameterNames |> Seq.findIndex ((=) name)]

[<Test>]
let ``the probabilities of a pixel's levels sum to one, whatever z is`` () =
    let vae = vaeOf reference 3 [| 2; 3 |] [| 4 |] 10 1
    unsettle vae
    // Without kernels in the last layer all pixels are alike, so the probability of a single one is a root of the image's.
    let kernels = parameter vae "decoder.1.weight"
    kernels.Assign(Tensor.Filled(reference, kernels.Shape, 0.0))
    use _scope = MemoryScope.Enter(record = false)
    let x = observe reference (Array.init 256 (fun k -> Array.replicate 100 (float k / 255.0)))
    let z = Array.init 15 (fun i -> 3.0 * sin (float i))
    let z = Tensor.Create(reference, Shape(1, 5, 3), z).BroadcastTo(Shape(256, 5, 3))
    let logProb = (vae.Model.LogLikelihood(x, Latents z)).ToArray()
    let sums = [ for s in 0..4 -> Seq.sum [ for k in 0..255 -> exp (logProb[5 * k + s] / 100.0) ] ]

    for sum in sums do
        near 1e-10 1.0 sum

    // The log-scale, and with it the distribution, varies with z.
    equal 5 (List.length (List.distinct [ for s in 0..4 -> logProb[5 * 128 + s] ]))

[<Test>]
let ``every channel has its own log-scale, for all pixels`` () =
    let vae = small reference
    use _scope = MemoryScope.Enter(record = false)
    let x = observe reference (levels 1 200 1UL)
    let z = Latents [| Tensor.Create(reference, Shape(1, 1, 3), [| 0.3; -1.2; 0.8 |]) |]
    let errors () = (vae.Model.Output(z, x).Error x).ToArray()
    let before = errors ()
    (parameter vae "scale.output.bias").Assign(Tensor.Create(reference, Shape 2, [| 0.0; 1.5 |]))
    let changed = Array.map2 (<>) before (errors ())
    equal [| for i in 0..199 -> i % 2 = 1 |] changed

/// Σ over datapoints of the ELBO of one sample, as a training step or as an evaluation sees it.
let private elbo (vae: Vae) (x: Observations) =
    let lambda = (vae.Inference.Infer(vae.Model, vae.Family, x, stream 7UL, 0)).Final
    let noise = Noise(x, stream 8UL, 2)

    (ElboObjective(vae.Model, vae.Family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic).Value lambda).Sum()

[<TestCase(true)>]
[<TestCase(false)>]
let ``gradients of the whole model are those of finite differences`` (isTraining: bool) =
    let vae = small reference
    unsettle vae
    let before = bitsOf vae.Parameters
    let x = observe reference (levels 3 200 2UL)
    let used = if isTraining then vae.InTraining() else vae
    let gradients = Array.zeroCreate<Tensor> vae.Parameters.Count
    use scope = MemoryScope.Enter()
    Gradient.Of(elbo used x, Array.ofSeq vae.Parameters, Span gradients)

    for i in 0 .. gradients.Length - 1 do
        let name, value = vae.ParameterNames[i], vae.Parameters[i]
        let gradient = gradients[i].ToArray()
        let isAverage = name.EndsWith ".mean" || name.EndsWith ".variance"

        if isTraining && isAverage && name.Contains ".norm." then
            equalFor name (Array.zeroCreate gradient.Length) gradient
        else
            let numbers = value.ToArray()
            // Few of many weights: all of a layer have their derivatives from one operation.
            let some = [| for k in 0..7 -> k * numbers.Length / 8 |] |> Array.distinct

            let at index change =
                use _scope = MemoryScope.Enter(record = false)

                value.Assign(
                    Tensor.Create(reference, value.Shape, Array.updateAt index (numbers[index] + change) numbers)
                )

                (elbo used x).ToDouble()

            let differences = [| for k in some -> (at k 1e-5 - at k -1e-5) / 2e-5 |]
            value.Assign(Tensor.Create(reference, value.Shape, numbers))
            close name 1e-6 differences [| for k in some -> gradient[k] |]

    if not isTraining then
        equal before (bitsOf vae.Parameters)

[<Test>]
let ``in training the batch's statistics count and the running averages move, otherwise neither`` () =
    let vae = small cpu
    unsettle vae
    let learning = vae.InTraining()
    let all = levels 6 200 3UL
    let x, part = observe cpu all, observe cpu all[..3]
    let before = bitsOf vae.Parameters

    let lambdas (vae: Vae) x =
        use _scope = MemoryScope.Enter(record = false)
        (vae.Inference.Infer(vae.Model, vae.Family, x, stream 7UL, 0)).Final[0].ToArray()

    // As evaluation has it: nothing changes, and a datapoint's numbers are the same in any batch.
    equal (bits (Array.truncate 12 (lambdas vae x))) (bits (lambdas vae part))
    equal before (bitsOf vae.Parameters)

    let evaluated x =
        use _scope = MemoryScope.Enter(record = false)
        (elbo vae x).ToDouble()

    equal (evaluated x) (evaluated x)
    equal before (bitsOf vae.Parameters)

    holds "the batch counts in training" (Array.truncate 12 (lambdas learning x) <> lambdas learning part)

    let moved =
        [ for i in 0 .. vae.Parameters.Count - 1 do
              if bits (vae.Parameters[i].ToArray()) <> before[i] then
                  vae.ParameterNames[i] ]

    equal [ "encoder.0.norm.mean"; "encoder.0.norm.variance"; "encoder.1.norm.mean"; "encoder.1.norm.variance" ] moved
    equal (true, true, false) (learning.Model.IsTraining, learning.Inference.IsTraining, vae.Model.IsTraining)

[<Test>]
let ``importance sampling, AIS and local optimisation of a datapoint do not depend on its batch`` () =
    let vae = small cpu
    unsettle vae
    let rows = levels 3 200 4UL
    let whole, single = observe cpu rows, observeAs cpu [| 2 |] rows[2..]

    let measured (x: Observations) =
        use _scope = MemoryScope.Enter(record = false)
        let lambda = (vae.Inference.Infer(vae.Model, vae.Family, x, stream 7UL, 0)).Final
        let bound = Ais(AisOptions(Chains = 3, Betas = AnnealingSchedule.Linear 5))
        let search = LocalOptimizer(LocalOptimizerOptions(Samples = 3, StepsPerCheck = 5, MaximumSteps = 10))
        let optimum = search.Optimize(vae.Model, vae.Family, x, stream 9UL)

        [ (ImportanceSampler(20).Estimate(vae.Model, vae.Family, x, lambda, stream 8UL)).Iwae.Values |> Seq.last
          (bound.Run(vae.Model, x, stream 8UL)).LogMarginal.Values |> Seq.last
          optimum.Lambda[0].ToArray() |> Array.last ]

    let before = bitsOf vae.Parameters
    equal (measured single) (measured whole)
    equal before (bitsOf vae.Parameters)

[<Test>]
let ``the likelihood and its gradients are finite for z however far out`` () =
    let vae = small cpu
    let bias = parameter vae "scale.output.bias"
    let x = observe cpu (levels 1 200 5UL)

    for outputs in [ 1e3; -1e3 ] do
        bias.Assign(Tensor.Filled(cpu, bias.Shape, outputs))

        for size in [ 1.0; 1e2; 1e4 ] do
            use scope = MemoryScope.Enter()
            let z = Tensor.Create(cpu, Shape(1, 2, 3), [| for i in 0..5 -> size * cos (float i) |])
            let logLikelihood = vae.Model.LogLikelihood(x, Latents z)
            holds $"log p at {size}" (logLikelihood.ToArray() |> Array.forall (fun l -> Double.IsFinite l && l < 0.0))
            let gradient = (Gradient.Of(logLikelihood.Sum(), z)).ToArray()
            holds $"its gradient at {size}" (Array.forall Double.IsFinite gradient)

[<Test>]
let ``images that do not fit are refused`` () =
    let refuses words (make: unit -> unit) = throws<ShapeException> words make
    refuses [ "5x5"; "2 convolutions" ] (fun () -> vaeOf cpu 2 [| 2; 2 |] [||] 5 3 |> ignore)
    refuses [ "one transposed convolution" ] (fun () -> vaeOf cpu 2 [||] [||] 8 3 |> ignore)

    throws<GapLabException> [ "bound"; "0" ] (fun () ->
        ConvolutionalModel(cpu, 2, [| 2 |], [||], 8, 3, stream 1UL, 0.0) |> ignore)

    let context = ModelContext(cpu, 784, stream 1UL)

    refuses [ "784"; "no square images" ] (fun () ->
        ConvolutionalModel.Choice(2, [| 2 |], [||]).Build context |> ignore)

    let vae = small cpu

    refuses [ "10x10"; "300" ] (fun () ->
        vae.Inference.Infer(vae.Model, vae.Family, observe cpu (levels 1 300 1UL), stream 1UL, 0) |> ignore)
