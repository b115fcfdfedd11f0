/// Convolutions as operations on the tape.
module GapLab.Tests.Differentiation.ImageOperationTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

// ELU's second derivative jumps, so central differences do not fit it near 0; it is the same code as that of the others.
let private activations = [| Activation.Identity; Activation.Tanh; Activation.Sigmoid |]

/// Operands and the operation for random sizes: with and without biases, every side padded or cut differently.
let private cases (seed: int) =
    let random = Random seed
    let stride, activation = random.Next(1, 4), activations[random.Next 3]
    let extent () = random.Next(1, 4)

    let height, width, batch, channels, outputs =
        extent (), extent (), random.Next(1, 3), random.Next(1, 3), random.Next(1, 3)

    let side () = random.Next(-1, 3)
    let padding = Padding(side (), side (), side (), side ())
    let rows = max 1 (height - padding.Top - padding.Bottom) + random.Next 3
    let columns = max 1 (width - padding.Left - padding.Right) + random.Next 3
    let small () = random.Next(1, 4)
    let outputPadding = random.Next stride
    // The transposed convolution must leave something.
    let across kernel before after =
        (small (), kernel, max 0 (min before (kernel / 2)), max 0 (min after ((kernel - 1) / 2)))

    let (h, _, top, bottom), (w, _, left, right) =
        across height padding.Top padding.Bottom, across width padding.Left padding.Right

    let kernels = operand random [| outputs; height; width; channels |]

    [ "Conv2d",
      [| operand random [| batch; rows; columns; channels |]; kernels; operand random [| outputs |] |],
      (fun (t: Tensor[]) bias -> t[0].Conv2d(t[1], bias, stride, padding, activation))
      "ConvTranspose2d",
      [| operand random [| batch; h; w; outputs |]; kernels; operand random [| channels |] |],
      (fun t bias ->
          t[0].ConvTranspose2d(t[1], bias, stride, Padding(top, bottom, left, right), outputPadding, activation)) ]

let private forAll (seed: int) check =
    for i in 1 .. (if soak then 30 else 1) do
        for name, operands, apply in cases (seed + i) do
            check name (fun (t: Tensor[]) -> apply t t[2]) operands
            check $"{name} without biases" (fun (t: Tensor[]) -> apply t (Tensor())) operands[..1]

        let random = Random(seed + i)

        let x =
            operand
                random
                (Array.append (Array.init (random.Next 3) (fun _ -> random.Next(1, 4))) [| 2 * random.Next(1, 4) |])

        check "Gate" (fun (t: Tensor[]) -> t[0].Gate()) [| x |]

[<Property(MaxTest = 30)>]
let ``gradients of convolutions and gates are those of central differences`` (seed: int) = forAll seed checkGradients

[<Property(MaxTest = 20)>]
let ``gradients of convolutions and gates can be differentiated again`` (seed: int) = forAll seed checkSecondDerivatives

/// Σ of the second derivatives of the gate, weighted, with or without a graph of their own.
let private gateSecond (x: Tensor) (weights: Tensor) createGraph =
    let first = Gradient.Of((x.Gate() * weights).Sum(), x, createGraph = true)
    let seed = tensor (operand (Random 3) (x.Shape.Span.ToArray()))
    Gradient.Of(first, x, seed, createGraph)

[<Test>]
let ``second derivatives of gates can be differentiated again, and are the same then`` () =
    use scope = MemoryScope.Enter()
    let random = Random 11
    let x, weights = tensor (operand random [| 3; 8 |]), tensor (operand random [| 3; 4 |])
    let fused, composite = gateSecond x weights false, gateSecond x weights true
    close "fused and composite" 1e-14 (composite.ToArray()) (fused.ToArray())
    let third = Gradient.Of(composite.Sum(), x)

    let differences = FiniteDifference.Gradient((fun x -> (gateSecond (x.Alias()) weights false).Sum()), x)

    close "third derivatives" tolerance differences (third.ToArray())

let private on (device: Device) (sizes: int list) values =
    Tensor.Create(device, Shape(List.toArray sizes), Array.ofSeq values)

[<Test>]
let ``small convolutions have the numbers that PyTorch gives`` () =
    // torch.nn.functional.conv2d and conv_transpose2d of PyTorch 1.13, with channels moved innermost.
    for device in [ device :> Device; CpuDevice.Instance ] do
        let w = on device [ 2; 2; 2; 2 ] (Seq.init 16 (fun i -> float i - 7.0))
        let bias = on device [ 2 ] [ 0.5; -1.0 ]
        let x = on device [ 1; 3; 3; 2 ] (Seq.init 18 (fun i -> float i + 1.0))
        let forward = x.Conv2d(w, bias, 2, 1)
        equal (Shape(1, 2, 2, 2)) forward.Shape
        equal [| -0.5; 22.0; -21.5; 121.0; -79.5; 255.0; -319.5; 543.0 |] (forward.ToArray())
        let y = on device [ 1; 2; 2; 2 ] (Seq.init 8 (fun i -> float i + 1.0))
        let back = y.ConvTranspose2d(w, bias, 2, 1, 1)
        equal (Shape(1, 3, 3, 2)) back.Shape

        equal
            [| 13.5
               15.0
               11.5
               17.0
               25.5
               31.0
               -6.5
               3.0
               -40.5
               -27.0
               -10.5
               3.0
               37.5
               47.0
               19.5
               33.0
               49.5
               63.0 |]
            (back.ToArray())

[<Test>]
let ``a convolution with kernels of one pixel is a linear layer`` () =
    use scope = MemoryScope.Enter()
    let random = Random 5

    let x, w, b =
        tensor (operand random [| 2; 3; 4; 5 |]),
        tensor (operand random [| 6; 1; 1; 5 |]),
        tensor (operand random [| 6 |])

    let layer = x.Linear(w.Reshape(Shape(6, 5)), b, Activation.Elu)
    close "pixels" 1e-14 (layer.ToArray()) (x.Conv2d(w, b, activation = Activation.Elu).ToArray())

[<Test>]
let ``convolutions with strides keep the sizes of the CIFAR model`` () =
    use scope = MemoryScope.Enter()
    let make (sizes: int list) = Tensor.Filled(device, Shape(List.toArray sizes), 1.0)

    let heights (next: Tensor -> Tensor) (x: Tensor) =
        Seq.scan (fun (y: Tensor) _ -> next y) x [ 1; 2; 3 ] |> Seq.map _.Shape[1] |> List.ofSeq
    // 4 x 4 kernels, stride 2, no padding: 32 -> 15 -> 6 -> 2, and back with an output padding of 1 in the second layer.
    equal [ 32; 15; 6; 2 ] (heights (fun x -> x.Conv2d(make [ 1; 4; 4; 1 ], stride = 2)) (make [ 1; 32; 32; 1 ]))
    let mutable layer = 0

    let enlarge (x: Tensor) =
        layer <- layer + 1
        x.ConvTranspose2d(make [ 1; 4; 4; 1 ], stride = 2, outputPadding = (if layer = 2 then 1 else 0))

    equal [ 2; 6; 15; 32 ] (heights enlarge (make [ 1; 2; 2; 1 ]))

[<Test>]
let ``sizes that do not fit are refused in a sentence`` () =
    use scope = MemoryScope.Enter()
    let make (sizes: int list) = Tensor.Filled(device, Shape(List.toArray sizes), 1.0)
    let x, w = make [ 2; 5; 5; 3 ], make [ 4; 3; 3; 3 ]
    let refuses words (action: unit -> Tensor) = throws<ShapeException> words (action >> ignore)
    refuses [ "Conv2d:"; "[2, 5, 5, 3]"; "[4, 3, 3, 2]" ] (fun () -> x.Conv2d(make [ 4; 3; 3; 2 ]))
    refuses [ "Conv2d:"; "[2, 75]" ] (fun () -> (make [ 2; 75 ]).Conv2d w)
    refuses [ "Conv2d:"; "6 x 3"; "5 x 5"; "padding 0" ] (fun () -> x.Conv2d(make [ 4; 6; 3; 3 ]))
    refuses [ "Conv2d:"; "(0 above, -3 below" ] (fun () -> x.Conv2d(w, padding = Padding(0, -3, 1, 1)))
    refuses [ "Conv2d:"; "stride is 0" ] (fun () -> x.Conv2d(w, stride = 0))
    refuses [ "Conv2d:"; "biases of shape [3]"; "4 channels" ] (fun () -> x.Conv2d(w, make [ 3 ]))
    let y = make [ 2; 5; 5; 4 ]
    refuses [ "ConvTranspose2d:"; "[2, 5, 5, 3]"; "[4, 3, 3, 3]" ] (fun () -> x.ConvTranspose2d w)

    refuses [ "ConvTranspose2d:"; "output padding of 2" ] (fun () ->
        y.ConvTranspose2d(w, stride = 2, outputPadding = 2))

    refuses [ "ConvTranspose2d:"; "padding 4"; "-1 x -1" ] (fun () -> y.ConvTranspose2d(w, padding = 4))
    refuses [ "ConvTranspose2d:"; "biases of shape [4]"; "3 channels" ] (fun () -> y.ConvTranspose2d(w, make [ 4 ]))

    refuses [ "Gate:"; "[2, 5]" ] (fun () -> (make [ 2; 5 ]).Gate())

    throws<DeviceMismatchException> [ "Conv2d:"; "cpu" ] (fun () ->
        x.Conv2d(Tensor.Filled(CpuDevice.Instance, w.Shape, 1.0)) |> ignore)
