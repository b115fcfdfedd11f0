/// The residual network as an encoder, and its training together with a PixelCNN.
module GapLab.Tests.Inference.ResNetEncoderTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.PixelCnnFixtures
open GapLab.Tests.Checks

let private vaeOf (device: Device) side channels =
    let family = FactorizedGaussian(device, 2)
    Vae(pixelCnn device side side tiny, family, ResNetEncoder(family, device, channels, side, 1, stream 2UL))

let private lambdas (vae: Vae) x =
    use _scope = MemoryScope.Enter(record = false)
    let lambda = (vae.Inference.Infer(vae.Model, vae.Family, x, stream 7UL, 0)).Final
    [| for block in lambda.Blocks -> block.ToArray() |]

[<Test>]
let ``the layers are those of the paper`` () =
    let family = FactorizedGaussian(cpu, 32)
    let encoder = ResNetEncoder(family, cpu, [| 64; 64; 64 |], 28, 1, stream 1UL)

    let norm name =
        [ for part in [ "scale"; "shift"; "mean"; "variance" ] -> $"{name}.norm.{part}", Shape 64 ]

    equal
        [ for block in 0..2 do
              yield $"encoder.{block}.0.weight", Shape(64, 3, 3, (if block = 0 then 1 else 64))
              yield! norm $"encoder.{block}.0"
              yield $"encoder.{block}.1.weight", Shape(64, 3, 3, 64)
              yield! norm $"encoder.{block}.1"

              if block = 0 then
                  yield "encoder.0.projection.weight", Shape(64, 1, 1, 1)
                  yield "encoder.0.projection.bias", Shape 64

              yield $"encoder.{block}.down.weight", Shape(64, 2, 2, 64)
              yield $"encoder.{block}.down.bias", Shape 64

          for head in [ "mean"; "logVariance" ] do
              yield $"encoder.{head}.weight", Shape(32, 576)
              yield $"encoder.{head}.bias", Shape 32 ]
        [ for name, value in Seq.zip encoder.Parameters.Names encoder.Parameters -> name, value.Shape ]

    holds encoder.Name (encoder.Name.Contains "28-14-7-3 pixels")
    let x = observe cpu (binary 2 784 1UL)
    use _scope = MemoryScope.Enter(record = false)
    let lambda = (encoder.Infer(pixelCnn cpu 28 28 tiny, family, x, stream 1UL, 0)).Final
    equal [ Shape(2, 32); Shape(2, 32) ] [ for block in lambda.Blocks -> block.Shape ]

[<Test>]
let ``gradients with respect to the encoder are those of finite differences`` () =
    let vae = vaeOf reference 6 [| 3; 2 |]
    let x = observe reference (binary 3 36 3UL)
    let used = vae.InTraining()

    let objective () =
        let lambda = (used.Inference.Infer(used.Model, used.Family, x, stream 7UL, 0)).Final
        let noise = Noise(x, stream 8UL, 1)
        (ElboObjective(used.Model, used.Family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic).Value lambda).Sum()

    let parameters = Array.ofSeq vae.Inference.Parameters
    let gradients = Array.zeroCreate<Tensor> parameters.Length
    use scope = MemoryScope.Enter()
    Gradient.Of(objective (), parameters, Span gradients)

    for i in 0 .. parameters.Length - 1 do
        let value, name = parameters[i], vae.Inference.Parameters.Names[i]
        let numbers = value.ToArray()
        let some = [| for k in 0..3 -> k * numbers.Length / 4 |] |> Array.distinct

        let at index change =
            use _scope = MemoryScope.Enter(record = false)

            value.Assign(
                Tensor.Create(
                    reference,
                    value.Shape,
                    ReadOnlySpan(Array.updateAt index (numbers[index] + change) numbers)
                )
            )

            objective().ToDouble()

        if not (name.EndsWith ".norm.mean" || name.EndsWith ".norm.variance") then
            let differences = [| for k in some -> (at k 1e-6 - at k -1e-6) / 2e-6 |]
            value.Assign(Tensor.Create(reference, value.Shape, ReadOnlySpan numbers))
            let gradient = gradients[i].ToArray()
            close name 1e-6 differences [| for k in some -> gradient[k] |]

[<Test>]
let ``a datapoint's λ is the same in any batch, and on both devices`` () =
    let rows = binary 5 49 4UL
    let vae = vaeOf cpu 7 [| 5; 3 |]
    let whole = lambdas vae (observe cpu rows)
    let part = lambdas vae (observe cpu rows[1..2])

    for block in 0..1 do
        let own: float[] = whole[block]
        equal (bits own[2..5]) (bits (part[block]: float[]))

    // 1,020 images of 49 pixels make a piece.
    let many = lambdas vae (observe cpu (Array.init 1030 (fun i -> rows[i % 5])))

    for block in 0..1 do
        equal (bits (Array.truncate 10 whole[block])) (bits (Array.sub (many[block]: float[]) 2050 10))

    for exact, obtained in Array.zip (lambdas (vaeOf reference 7 [| 5; 3 |]) (observe reference rows)) whole do
        close "λ" 1e-5 exact obtained

    let fewer = observe cpu rows[1..2]
    holds "the batch counts in training" (lambdas (vae.InTraining()) fewer <> part)

[<Test>]
let ``choices are described by what is chosen, and images that do not fit are refused`` () =
    let text (choice: Component) = CanonicalJson.ToBytes(choice.ToJson()) |> Text.Encoding.UTF8.GetString

    equal
        """{"name":"resnet-encoder","revision":1,"settings":{"channels":[64,64,64],"imageChannels":1}}"""
        (text (ResNetEncoder.Choice()))

    let vae = vaeOf cpu 6 [| 2 |]
    let context size = InferenceContext(vae.Model, vae.Family, size, stream 2UL)
    let built = ResNetEncoder.Choice([| 2 |]).Build(context 36)
    equal vae.Inference.Name built.Name
    equal (bitsOf vae.Inference.Parameters) (bitsOf built.Parameters)

    throws<ShapeException> [ "ResNetEncoder"; "35" ] (fun () ->
        ResNetEncoder.Choice([| 2 |]).Build(context 35) |> ignore)

    throws<ShapeException> [ "ResNetEncoder"; "6x6"; "3 times" ] (fun () -> vaeOf cpu 6 [| 2; 2; 2 |] |> ignore)
    throws<ShapeException> [ "6x6"; "49" ] (fun () -> lambdas vae (observe cpu (binary 1 49 1UL)) |> ignore)

/// The mean ELBO of a batch with fixed noise, before and after some steps of training on it.
let private improvement (vae: Vae) (x: Observations) steps =
    let elbo () =
        use _scope = MemoryScope.Enter(record = false)
        let lambda = (vae.Inference.Infer(vae.Model, vae.Family, x, stream 7UL, 0)).Final
        let noise = Noise(x, stream 8UL, 5)

        (ElboObjective(vae.Model, vae.Family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic).Value lambda)
            .Mean()
            .ToDouble()

    let before = elbo ()
    let adam = Adam(vae.Parameters, AdamOptions(LearningRate = 3e-3))
    let learning, rule = vae.InTraining(), JointGradient()

    for step in 0 .. steps - 1 do
        use _scope = MemoryScope.Enter()
        let gradients = Array.zeroCreate<Tensor> vae.Parameters.Count
        rule.Gradients(learning, x, stream 9UL, step, ObjectiveWeights.Elbo, Span gradients) |> ignore
        adam.Ascend(ReadOnlySpan gradients)

    before, elbo ()

[<Test>]
let ``training improves the bound, with latent variables and without`` () =
    // Bars: rows or columns of ones.
    let bars =
        Array.init 32 (fun n ->
            Array.init 36 (fun i -> if (if n % 2 = 0 then i / 6 else i % 6) = n / 2 % 6 then 1.0 else 0.0))

    let x = observe cpu bars
    let plain = FactorizedGaussian(cpu, 0)
    let model = pixelCnn cpu 6 6 (PixelCnnOptions(LatentSize = 0, KernelSizes = [| 5; 3 |], Channels = 8))

    for vae in [ vaeOf cpu 6 [| 4; 4 |]; Vae(model, plain, FixedStart cpu) ] do
        let before, after = improvement vae x 60
        holds $"{vae.Model.Name}: {before} to {after}" (after > before + 8.0)
