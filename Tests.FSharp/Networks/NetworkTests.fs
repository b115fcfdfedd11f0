module GapLab.Tests.Networks.NetworkTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Networks
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private device = ReferenceDevice.Instance
let private stream = RandomStream(1UL, RandomPurpose.Initialization)

let private rows (t: Tensor) =
    let values, columns = t.ToArray(), t.Shape[-1]
    Array.chunkBySize columns values

[<Test>]
let ``a layer computes activation(x Wᵀ + b)`` () =
    let parameters = ParameterSet device
    let layer = Linear(parameters, "layer", 3, 2, Activation.Tanh, stream)
    equal [ "layer.weight"; "layer.bias" ] (List.ofSeq parameters.Names)
    equal [ Shape(2, 3); Shape 2 ] (parameters |> Seq.map _.Shape |> List.ofSeq)
    equal [| 0.0; 0.0 |] (parameters[1].ToArray())
    parameters[1].Assign(Tensor.Create(device, Shape 2, [| 0.5; -0.5 |]))
    let x = Tensor.Create(device, Shape(2, 2, 3), Array.init 12 (fun i -> 0.1 * float i))
    let y = layer.Forward(parameters, x)
    equal (Shape(2, 2, 2)) y.Shape
    let weight = rows parameters[0]

    let expected =
        [| for row in rows x do
               for j in 0..1 -> tanh (Array.sum (Array.map2 (*) row weight[j]) + [| 0.5; -0.5 |][j]) |]

    close "layer" 1e-15 expected (y.ToArray())

[<Test>]
let ``an MLP is its layers one after the other`` () =
    let parameters = ParameterSet device
    let mlp = Mlp(parameters, "net", 4, [| 3; 5 |], Activation.Elu, stream)
    equal [ "net.0.weight"; "net.0.bias"; "net.1.weight"; "net.1.bias" ] (List.ofSeq parameters.Names)
    equal 5 mlp.Outputs
    equal (4L * 3L + 3L + 3L * 5L + 5L) parameters.NumberCount
    let x = Tensor.Create(device, Shape(2, 4), Array.init 8 (fun i -> float i - 3.5))

    let expected =
        x.Linear(parameters[0], parameters[1], Activation.Elu).Linear(parameters[2], parameters[3], Activation.Elu)

    equal (expected.ToArray()) (mlp.Forward(parameters, x).ToArray())

[<Test>]
let ``an MLP without layers is the identity`` () =
    let parameters = ParameterSet device
    let mlp = Mlp(parameters, "net", 4, [||], Activation.Elu, stream)
    let x = Tensor.Filled(device, Shape(2, 4), 3.0)
    equal 4 mlp.Outputs
    equal 0 parameters.Count
    equal (x.ToArray()) (mlp.Forward(parameters, x).ToArray())

[<Test>]
let ``initial weights can be normal with variance 2 / in`` () =
    let parameters = ParameterSet device

    for name in [ "a"; "b" ] do
        Linear(parameters, name, 50, 200, Activation.Identity, stream, LinearInitialization.HeNormal) |> ignore

    let first = parameters[0].ToArray()
    // 10,000 normal numbers: their mean square has a standard deviation of 0.04 √2 / 100.
    near (4.0 * 0.04 * sqrt 2.0 / 100.0) 0.04 (Array.averageBy (fun w -> w * w) first)
    near (4.0 * 0.2 / 100.0) 0.0 (Array.average first)
    holds "beyond two standard deviations" (Array.exists (fun w -> abs w > 0.4) first)
    holds "the layers differ" (first <> parameters[2].ToArray())
    equal (Array.zeroCreate 200) (parameters[1].ToArray())

[<Test>]
let ``initial weights are uniform on ±√(6 / (in + out)) and differ from layer to layer`` () =
    let parameters = ParameterSet device
    Mlp(parameters, "net", 100, [| 100; 100 |], Activation.Tanh, stream) |> ignore
    let first, second = parameters[0].ToArray(), parameters[2].ToArray()
    let bound = sqrt (6.0 / 200.0)
    holds "all within the bound" (Array.forall (fun w -> abs w <= bound) first)
    // 10,000 uniform numbers: the mean has a standard deviation of bound/√30,000, the mean square bound²·√(4/45)/100 about bound²/3.
    near (4.0 * bound / sqrt 30000.0) 0.0 (Array.average first)

    near
        (4.0 * bound * bound * sqrt (4.0 / 45.0) / 100.0)
        (bound * bound / 3.0)
        (Array.averageBy (fun w -> w * w) first)

    holds "the layers differ" (first <> second)

[<Test>]
let ``initial weights are the same on every device and depend on the position alone`` () =
    let weights (device: Device) hidden =
        let parameters = ParameterSet device
        Mlp(parameters, "net", 5, hidden, Activation.Tanh, stream) |> ignore
        parameters |> Seq.map _.ToArray() |> Array.ofSeq

    let reference, cpu = weights device [| 4; 3 |], weights CpuDevice.Instance [| 4; 3 |]
    // The reference device holds the same float32 numbers.
    equal reference cpu
    equal reference[0] (Array.head (weights device [| 4; 7 |]))

[<Test>]
let ``a layer computes with other values of the same names`` () =
    let parameters = ParameterSet device
    let layer = Linear(parameters, "layer", 2, 1, Activation.Identity, stream)
    let x = Tensor.Create(device, Shape(1, 2), [| 1.0; 2.0 |])

    let other =
        parameters.With(
            ReadOnlySpan [| Tensor.Create(device, Shape(1, 2), [| 10.0; 20.0 |]); Tensor.Filled(device, Shape 1, 5.0) |]
        )

    equal 55.0 (layer.Forward(other, x).ToDouble())
    holds "the layer's own values are unchanged" (layer.Forward(parameters, x).ToDouble() <> 55.0)
    equal (List.ofSeq parameters.Names) (List.ofSeq other.Names)

    throws<ShapeException> [ "ParameterSet.With"; "1"; "2" ] (fun () ->
        parameters.With(ReadOnlySpan [| parameters[0] |]) |> ignore)

    throws<ShapeException> [ "layer.bias"; "[1]"; "[1, 2]" ] (fun () ->
        parameters.With(ReadOnlySpan [| parameters[0]; parameters[0] |]) |> ignore)

[<Test>]
let ``names are taken once`` () =
    let parameters = ParameterSet device
    equal 0 (parameters.Add("a", Tensor.Filled(device, Shape 1, 1.0)))
    equal 1 (parameters.Add("b", Tensor.Filled(device, Shape 1, 1.0)))
    throws<GapLabException> [ "'a'" ] (fun () -> parameters.Add("a", Tensor.Filled(device, Shape 1, 1.0)) |> ignore)
    equal 2 parameters.Count

[<Test>]
let ``parameters are copied out of the scope in which they are made`` () =
    let parameters = ParameterSet device

    let original =
        use scope = MemoryScope.Enter()
        let value = Tensor.Filled(device, Shape 2, 3.0)
        parameters.Add("a", value) |> ignore
        value

    equal [| 3.0; 3.0 |] (parameters[0].ToArray())
    throws<ScopeException> [ "ended" ] (fun () -> original.ToArray() |> ignore)

let private sigmoid a = 1.0 / (1.0 + exp -a)

/// Small numbers for every parameter, and the layer's output for one row by hand.
let private fill (parameters: ParameterSet) =
    for index, parameter in Seq.indexed parameters do
        let numbers = Array.init parameter.Count (fun i -> 0.3 * sin (float (7 * index + 3 * i + 1)))
        parameter.Assign(Tensor.Create(device, parameter.Shape, numbers))

let private linear (parameters: ParameterSet) index (x: float[]) =
    let weight, bias = rows parameters[index], parameters[index + 1].ToArray()
    Array.map2 (fun row b -> b + Array.sum (Array.map2 (*) row x)) weight bias

[<Test>]
let ``a highway layer carries its input on as far as its gate says`` () =
    let parameters = ParameterSet device
    let network = HighwayMlp(parameters, "net", 3, [| 2; 2 |], Activation.Tanh, stream)

    equal
        [ "net.0"; "net.0.gate"; "net.0.carry"; "net.1"; "net.1.gate" ]
        [ for name in parameters.Names do
              if name.EndsWith ".weight" then
                  name.Replace(".weight", "") ]

    fill parameters
    let x = [| 0.4; -1.2; 0.7 |]

    let layer value gate (carried: float[]) =
        Array.map3 (fun v g c -> sigmoid g * c + (1.0 - sigmoid g) * tanh v) value gate carried

    let first = layer (linear parameters 0 x) (linear parameters 2 x) (linear parameters 4 x)
    let second = layer (linear parameters 6 first) (linear parameters 8 first) first
    let y = network.Forward(parameters, Tensor.Create(device, Shape(1, 3), x))
    close "two layers" 1e-14 second (y.ToArray())
    equal 2 network.Outputs

[<Test>]
let ``hidden layers normalise before the activation, and a highway layer neither its gate nor what it carries`` () =
    let rows = [| [| 0.4; -1.2 |]; [| 2.0; 0.3 |]; [| -0.7; 0.8 |] |]
    let x = Tensor.Create(device, Shape(3, 2), Array.concat rows)

    let normalised (values: float[][]) =
        let columns =
            [ for j in 0 .. values[0].Length - 1 do
                  let column = values |> Array.map (fun row -> row[j])
                  let mean = Array.average column
                  let variance = column |> Array.averageBy (fun v -> (v - mean) ** 2.0)
                  column |> Array.map (fun v -> (v - mean) / sqrt (variance + 1e-5)) ]

        values |> Array.mapi (fun i _ -> [| for column in columns -> column[i] |])

    for highway in [ false; true ] do
        let parameters = ParameterSet device
        let network = HiddenLayers(parameters, "net", 2, [| 2 |], Activation.Tanh, highway, true, stream)
        equal [ "net.0.norm.scale"; "net.0.norm.shift" ] [ parameters.Names[2]; parameters.Names[3] ]
        let value = rows |> Array.map (linear parameters 0) |> normalised |> Array.map (Array.map tanh)

        let expected =
            if highway then
                Array.map2
                    (fun row v ->
                        Array.map3 (fun g c v -> sigmoid g * c + (1.0 - sigmoid g) * v) (linear parameters 6 row) row v)
                    rows
                    value
            else
                value

        close "in training" 1e-13 (Array.concat expected) (network.Forward(parameters, x, true).ToArray())
        holds "otherwise running averages" (network.Forward(parameters, x, false).ToArray() <> Array.concat expected)

[<Test>]
let ``an LSTM cell computes its gates in PyTorch's order`` () =
    let parameters = ParameterSet device
    let cell = LstmCell(parameters, "cell", 2, 2, stream)
    fill parameters
    let x = [| 0.5; -0.25 |]
    let state = cell.InitialState(device, 1)
    let first = cell.Forward(parameters, Tensor.Create(device, Shape(1, 2), x), state)
    let struct (hidden, memory) = cell.Forward(parameters, Tensor.Create(device, Shape(1, 2), x), first)

    let step (h: float[], c: float[]) =
        let gates = linear parameters 0 (Array.append x h)
        let gate k = gates[2 * k .. 2 * k + 1]
        let c = Array.init 2 (fun j -> sigmoid (gate 1).[j] * c[j] + sigmoid (gate 0).[j] * tanh (gate 2).[j])
        Array.init 2 (fun j -> sigmoid (gate 3).[j] * tanh c[j]), c

    let expectedHidden, expectedMemory = ([| 0.0; 0.0 |], [| 0.0; 0.0 |]) |> step |> step
    close "h" 1e-14 expectedHidden (hidden.ToArray())
    close "c" 1e-14 expectedMemory (memory.ToArray())
