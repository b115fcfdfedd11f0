/// Long short-term memories: values, derivatives, and derivatives of those.
module GapLab.Tests.Differentiation.LstmOperationTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

/// Weights, first states, inputs and what is constant over time, for some samples of two sequences.
let private operands steps samples =
    let random = Random 3
    let n, rows = 2, 2 * samples

    [| operand random [| 4 * n; n |]
       operand random [| rows; n |]
       operand random [| steps * 2; 4 * n |]
       operand random [| rows; 4 * n |] |]

let private lstm steps (x: Tensor[]) =
    if x.Length > 3 then
        x[2].Lstm(x[0], x[1], steps, x[3])
    else
        x[2].Lstm(x[0], x[1], steps)

/// The same by cells, one after the other.
let private steps (x: Tensor[]) count =
    let weight, first, inputs = x[0], x[1], x[2]
    let rows, wide = first.Shape[0], weight.Shape[0]
    let samples = rows / (inputs.Shape[0] / count)
    let mutable state = struct (first, Tensor.Filled(weight.Device, first.Shape, 0.0))

    [| for t in 0 .. count - 1 do
           let struct (hidden, cell) = state
           let each = inputs.Reshape(count, inputs.Count / count).Columns(0, inputs.Count / count)
           let now = each.Embed(ReadOnlyMemory [| t |]).Reshape(rows / samples, 1, wide)
           let shared = now.BroadcastTo(Shape(rows / samples, samples, wide)).Reshape(rows, wide)
           let gates = hidden.MatMul(weight, transposeOther = true) + shared
           state <- (if x.Length > 3 then gates + x[3] else gates).LstmCell cell
           let struct (after, _) = state
           after |]

[<Test>]
let ``states are those of cells one after the other, and so are their gradients`` () =
    for device in [ device :> Device; GapLab.Tensors.Cpu.CpuDevice.Instance ] do
        for samples, shifted in [ 1, false; 3, true ] do
            use _ = MemoryScope.Enter()
            let given = operands 3 samples |> Array.take (if shifted then 4 else 3)
            let x = given |> Array.map (fun o -> Tensor.Create(device, Shape o.Sizes, o.Values))
            let fused, cells = lstm 3 x, steps x 3
            let tolerance = if device.Real = ElementType.Float64 then 1e-13 else 1e-5
            close "states" tolerance (cells |> Array.collect _.ToArray()) (fused.ToArray())

            let gradients (y: Tensor) =
                let found = Array.zeroCreate<Tensor> x.Length
                Gradient.Of(y, ReadOnlySpan x, Span found)
                found |> Array.collect _.ToArray()

            let sum = cells |> Array.map (fun h -> (h * h).Sum()) |> Array.reduce (fun a b -> a + b)
            close "gradients" (10.0 * tolerance) (gradients sum) (gradients ((fused * fused).Sum()))
            use _ = MemoryScope.Enter(record = false)
            equal (fused.ToArray()) ((lstm 3 x).ToArray())

[<Test>]
let ``an LSTM can be differentiated twice`` () =
    for count, samples, shifted in [ 3, 2, true; 1, 1, true; 2, 1, false ] do
        let x = operands count samples |> Array.take (if shifted then 4 else 3)
        checkGradients "Lstm" (lstm count) x
        checkSecondDerivatives "Lstm" (lstm count) x

[<Test>]
let ``an LSTM can be differentiated three times`` () =
    for wanted in 0..3 do
        let gradient (x: Tensor[]) = Gradient.Of((lstm 2 x).Square().Sum(), x[wanted], Tensor(), true) * x[wanted]
        checkGradients $"gradient {wanted}" gradient (operands 2 2)

    let gradient (x: Tensor[]) = Gradient.Of((lstm 2 x).Square().Sum(), x[0], Tensor(), true) * x[0]
    checkSecondDerivatives "gradient of the weights" gradient (operands 2 2)

[<Test>]
let ``a cell can be differentiated twice`` () =
    let random = Random 4
    let x = [| operand random [| 3; 8 |]; operand random [| 3; 2 |] |]

    let f (x: Tensor[]) =
        let struct (hidden, cell) = x[0].LstmCell x[1]
        Tensor.Concatenate(hidden * hidden, cell * hidden)

    checkGradients "LstmCell" f x
    checkSecondDerivatives "LstmCell" f x

[<Test>]
let ``sizes that do not fit are refused`` () =
    use _ = MemoryScope.Enter()
    let x = operands 3 2 |> Array.map tensor

    let refuses parts (act: unit -> Tensor) = throws<ShapeException> parts (fun () -> act () |> ignore)
    refuses [ "Lstm:"; "[6, 8]"; "4 steps" ] (fun () -> x[2].Lstm(x[0], x[1], 4))
    refuses [ "Lstm:"; "0 steps" ] (fun () -> x[2].Lstm(x[0], x[1], 0))
    refuses [ "Lstm:"; "weights [4, 2]" ] (fun () -> x[2].Lstm(x[1], x[1], 3))
    refuses [ "Lstm:"; "state [3, 2]" ] (fun () -> x[2].Lstm(x[0], Tensor.Filled(device, Shape(3, 2), 0.0), 3))
    refuses [ "Lstm:"; "shift of shape [6, 8]" ] (fun () -> x[2].Lstm(x[0], x[1], 3, x[2]))

    refuses [ "LstmCell:"; "[4, 8]"; "[6, 8]" ] (fun () ->
        let struct (hidden, _) = x[3].LstmCell x[2]
        hidden)
