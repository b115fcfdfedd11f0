module GapLab.Tests.Networks.ImageLayerTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Networks
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private reference = ReferenceDevice.Instance :> Device
let private stream = RandomStream(1UL, RandomPurpose.Initialization)

let private tensor (device: Device) (sizes: int list) (values: float seq) =
    Tensor.Create(device, Shape(List.toArray sizes), Array.ofSeq values)

let private names (parameters: ParameterSet) = List.ofSeq parameters.Names
let private shapes (parameters: ParameterSet) = parameters |> Seq.map _.Shape |> List.ofSeq

[<Test>]
let ``layers of convolutions add kernels and biases and apply them`` () =
    let parameters = ParameterSet reference
    let down = Conv2d(parameters, "down", 3, 5, 4, 2, 2, 1, Activation.Elu, stream)
    let up = ConvTranspose2d(parameters, "up", 5, 3, 4, 2, 2, 1, 1, Activation.Tanh, stream, hasBias = false)
    equal [ "down.weight"; "down.bias"; "up.weight" ] (names parameters)
    equal [ Shape(5, 4, 2, 3); Shape 5; Shape(5, 4, 2, 3) ] (shapes parameters)
    let x = tensor reference [ 2; 7; 5; 3 ] (Seq.init 210 (fun i -> sin (float i)))
    let y = down.Forward(parameters, x)
    equal (Shape(2, 3, 3, 5)) y.Shape
    equal (x.Conv2d(parameters[0], parameters[1], 2, 1, Activation.Elu).ToArray()) (y.ToArray())
    let z = up.Forward(parameters, y)
    equal (Shape(2, 7, 5, 3)) z.Shape
    equal (y.ConvTranspose2d(parameters[2], Tensor(), 2, 1, 1, Activation.Tanh).ToArray()) (z.ToArray())

[<Test>]
let ``a convolution of inputs that share channels is that of the inputs put together`` () =
    let parameters = ParameterSet reference
    let layer = Conv2d(parameters, "layer", 3, 4, 2, 3, 1, Padding(2, -1, 1, 1), Activation.Tanh, stream)
    let numbers count = Seq.init count (fun i -> sin (1.7 * float i))
    use scope = MemoryScope.Enter()
    // Two datapoints with three inputs each.
    let shared = tensor reference [ 2; 4; 5; 1 ] (numbers 40)
    let own = tensor reference [ 6; 4; 5; 2 ] (numbers 240)

    let copied =
        shared.Reshape(Shape(2, 20)).GatherRows(ReadOnlySpan [| 0; 0; 0; 1; 1; 1 |]).Reshape(Shape(6, 4, 5, 1))

    let expected = layer.Forward(parameters, Tensor.Concatenate(copied, own))
    let obtained = layer.Forward(parameters, shared, own)
    equal expected.Shape obtained.Shape
    close "outputs" 1e-14 (expected.ToArray()) (obtained.ToArray())
    let gradient (y: Tensor) = (Gradient.Of(y.Square().Sum(), parameters[0])).ToArray()
    close "gradients of the kernels" 1e-14 (gradient expected) (gradient obtained)

    let refuses words (own: Tensor) =
        throws<ShapeException> words (fun () -> layer.Forward(parameters, shared, own) |> ignore)

    refuses [ "[2, 4, 5, 1]"; "[5, 4, 5, 2]" ] (tensor reference [ 5; 4; 5; 2 ] (numbers 200))
    refuses [ "[6, 4, 5, 1]"; "3 channels" ] (tensor reference [ 6; 4; 5; 1 ] (numbers 120))

[<Test>]
let ``a layer with kernels of one pixel is linear in every pixel`` () =
    for device, tolerance in [ reference, 1e-14; CpuDevice.Instance :> Device, 1e-6 ] do
        let parameters = ParameterSet device
        let layer = Conv2d(parameters, "layer", 5, 3, 1, 1, 1, 0, Activation.Elu, stream)
        let x = tensor device [ 2; 3; 4; 5 ] (Seq.init 120 (fun i -> sin (float i)))
        let expected = x.Conv2d(layer.Weight parameters, layer.Bias parameters, activation = Activation.Elu)
        let obtained = layer.Forward(parameters, x)
        equal expected.Shape obtained.Shape
        close "pixels" tolerance (expected.ToArray()) (obtained.ToArray())

[<Test>]
let ``a residual block adds its input, projected where it has other channels, before the last ReLU`` () =
    let x = tensor reference [ 2; 3; 3; 2 ] (Seq.init 36 (fun i -> sin (float i)))

    for outputs in [ 2; 4 ] do
        let parameters = ParameterSet reference
        let block = ResidualBlock(parameters, "block", 2, outputs, stream)

        let norm part =
            [ for name in [ "scale"; "shift"; "mean"; "variance" ] -> $"block.{part}.norm.{name}" ]

        equal
            [ yield "block.0.weight"
              yield! norm 0
              yield "block.1.weight"
              yield! norm 1
              if outputs = 4 then
                  yield "block.projection.weight"
                  yield "block.projection.bias" ]
            (names parameters)

        let part name = parameters[List.findIndex ((=) name) (names parameters)]
        let inner = x.Conv2d(part "block.0.weight", padding = 1) / sqrt (1.0 + 1e-5)
        let outer = inner.Relu().Conv2d(part "block.1.weight", padding = 1) / sqrt (1.0 + 1e-5)

        let carried =
            if outputs = 2 then
                x
            else
                x.Conv2d(part "block.projection.weight", part "block.projection.bias")

        let y = block.Forward(parameters, x, isTraining = false)
        close "block" 1e-12 ((outer + carried).Relu().ToArray()) (y.ToArray())
        holds "some outputs are cut" (y.ToArray() |> Array.exists ((=) 0.0))
        holds "the batch's statistics" (block.Forward(parameters, x, isTraining = true).ToArray() <> y.ToArray())

[<Test>]
let ``initial kernels and biases are uniform on ±1 / √fan and differ from layer to layer`` () =
    let parameters = ParameterSet CpuDevice.Instance
    Conv2d(parameters, "a", 16, 40, 5, 5, 1, 2, Activation.Identity, stream) |> ignore
    Conv2d(parameters, "b", 16, 40, 5, 5, 1, 2, Activation.Identity, stream) |> ignore
    let bound = 1.0 / sqrt 400.0
    let weights = parameters[0].ToArray()

    holds
        "all within the bound"
        (parameters |> Seq.forall (fun p -> p.ToArray() |> Array.forall (fun w -> abs w <= bound)))
    // 16,000 uniform numbers: their mean square has a standard deviation of bound² √(4/45) / √16,000.
    near (0.01 * bound * bound) (bound * bound / 3.0) (weights |> Array.averageBy (fun w -> w * w))
    holds "the layers differ" (weights <> parameters[2].ToArray())

// torch.nn.BatchNorm2d(2) of PyTorch 1.13 in float64 for the images (1, 2, ..., 18)^1.5, with scales 2 and -0.5 and shifts 0.25 and 1.
let private images device = tensor device [ 1; 3; 3; 2 ] (Seq.init 18 (fun i -> (float i + 1.0) ** 1.5))

let private trained =
    [| -2.3388189916067046
       1.6646802430388934
       -1.9704948652441459
       1.5574982301968958
       -1.4452230452711032
       1.4187026720597093
       -0.8009496520038764
       1.2543417177896956
       -0.05662656370403368
       1.067910863614336
       0.7757480615576984
       0.8617685963601909
       1.6876852861902518
       0.6376463412018321
       2.672765876228413
       0.3968856150537159
       3.7259138938535
       0.1405657206847306 |]

let private layer (device: Device) =
    let parameters = ParameterSet device
    let norm = BatchNorm(parameters, "norm", 2)
    parameters[0].Assign(tensor device [ 2 ] [ 2.0; -0.5 ])
    parameters[1].Assign(tensor device [ 2 ] [ 0.25; 1.0 ])
    norm, parameters

[<Test>]
let ``batch normalisation and its running averages have the numbers that PyTorch gives`` () =
    for device, tolerance in [ reference, 1e-14; CpuDevice.Instance :> Device, 1e-6 ] do
        let norm, parameters = layer device
        equal [ "norm.scale"; "norm.shift"; "norm.mean"; "norm.variance" ] (names parameters)
        close "normalised" tolerance trained (norm.Forward(parameters, images device, isTraining = true).ToArray())
        close "running means" tolerance [| 3.049325962124561; 3.4899501593970434 |] (parameters[2].ToArray())
        close "running variances" tolerance [| 59.30562573802263; 66.37778870540117 |] (parameters[3].ToArray())
        let evaluated = norm.Forward(parameters, images device, isTraining = false).ToArray()
        let expected = [| -0.28222228448132364; 1.0405978984263933; 0.8075437506541948; 0.7232166746492679 |]
        close "with running averages" tolerance expected evaluated[..3]
        close "they did not move" tolerance [| 3.049325962124561; 3.4899501593970434 |] (parameters[2].ToArray())

[<Test>]
let ``gradients of batch normalisation are those of central differences`` () =
    let norm, parameters = layer reference
    let weights = tensor reference [ 1; 3; 3; 2 ] (Seq.init 18 (fun i -> cos (float i)))
    let objective (x: Tensor) = (norm.Forward(parameters, x, isTraining = true) * weights).Sum()
    use scope = MemoryScope.Enter()
    let x = images reference
    close "x" 1e-6 (FiniteDifference.Gradient(objective, x)) (Gradient.Of(objective x, x).ToArray())

[<Test>]
let ``an optimiser moves scales and shifts and leaves the running averages as they are`` () =
    let norm, parameters = layer CpuDevice.Instance
    let adam = Adam(parameters, AdamOptions())
    let averages () = [| parameters[2].ToArray(); parameters[3].ToArray() |]
    use scope = MemoryScope.Enter()
    let y = norm.Forward(parameters, images CpuDevice.Instance, isTraining = true)
    let gradients = Array.zeroCreate<Tensor> 4
    Gradient.Of(y.Square().Sum(), Array.ofSeq parameters, gradients)
    let before = averages ()
    let scales = parameters[0].ToArray()
    adam.Ascend(ReadOnlySpan gradients)
    equal before (averages ())
    holds "the scales moved" (scales <> parameters[0].ToArray())

[<Test>]
let ``batch normalisation refuses what it cannot normalise`` () =
    let norm, parameters = layer reference

    let refuses words sizes isTraining =
        throws<ShapeException> words (fun () ->
            norm.Forward(parameters, Tensor.Filled(reference, Shape(List.toArray sizes), 1.0), isTraining) |> ignore)

    refuses [ "BatchNorm"; "[4, 3]"; "2 channels" ] [ 4; 3 ] false
    refuses [ "BatchNorm"; "[1, 1, 1, 2]"; "at least" ] [ 1; 1; 1; 2 ] true
    equal (Shape(1, 2)) (norm.Forward(parameters, Tensor.Filled(reference, Shape(1, 2), 1.0), isTraining = false).Shape)
