module GapLab.Tests.Networks.SequentialNetworkTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Networks
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private stream = RandomStream(1UL, RandomPurpose.Initialization)

let private modules (texts: string list) = [| for text in texts -> SequentialModule.Parse text |]

let private sigmoid a = 1.0 / (1.0 + exp -a)

/// Every module that keeps the size of its input, with its formula.
let private functions: (string * (float -> float)) list =
    [ "identity", id
      "dropout", id
      "elu", (fun a -> if a > 0.0 then a else exp a - 1.0)
      "tanh", tanh
      "sigmoid", sigmoid
      "relu", max 0.0
      "leaky-relu", (fun a -> if a > 0.0 then a else 0.01 * a)
      "leaky-relu 0.2", (fun a -> if a > 0.0 then a else 0.2 * a)
      "softplus", (fun a -> log (1.0 + exp a))
      "silu", (fun a -> a * sigmoid a) ]

[<Test>]
let ``parameters have the numbers of their modules, also where an activation is computed along with a layer`` () =
    let parameters = ParameterSet ReferenceDevice.Instance
    let layers = modules [ "linear 3"; "softplus"; "linear 4"; "tanh"; "dropout"; "linear 2" ]
    let network = SequentialNetwork(parameters, "net", 5, layers, stream)
    equal 2 network.Outputs

    let expected =
        [ "net.0.weight", [ 3; 5 ]
          "net.0.bias", [ 3 ]
          "net.2.weight", [ 4; 3 ]
          "net.2.bias", [ 4 ]
          "net.5.weight", [ 2; 4 ]
          "net.5.bias", [ 2 ] ]

    equal (List.map fst expected) (List.ofSeq parameters.Names)
    equal [ for _, shape in expected -> Shape(List.toArray shape) ] [ for value in parameters -> value.Shape ]

    equal
        [ for name, shape in expected -> name, List.map int64 shape ]
        [ for struct (name, shape) in SequentialNetwork.ParametersOf("net", 5, layers) -> name, List.ofArray shape ]

    equal "3" (SequentialNetwork.NameOf("", 3))

[<Test>]
let ``every module is its formula, alone and after a layer`` () =
    for device in [ ReferenceDevice.Instance :> Device; CpuDevice.Instance ] do
        let tolerance = if device :? CpuDevice then 2e-6 else 1e-14
        let values = [| -3.0; -0.75; -0.125; 0.0; 0.25; 1.5; 4.0 |]
        let x = Tensor.Create(device, Shape(values.Length, 1), values)

        for text, f in functions do
            let parameters = ParameterSet device
            let alone = SequentialNetwork(parameters, "alone", 1, modules [ text ], stream)
            close text tolerance (Array.map f values) (alone.Forward(parameters, x).ToArray())
            let layered = SequentialNetwork(parameters, "layered", 1, modules [ "linear 1"; text ], stream)
            parameters[0].Assign(Tensor.Create(device, Shape(1, 1), [| 0.5 |]))
            parameters[1].Assign(Tensor.Create(device, Shape 1, [| -0.25 |]))
            let expected = values |> Array.map (fun v -> f (0.5 * v - 0.25))
            close $"linear, {text}" tolerance expected (layered.Forward(parameters, x).ToArray())

[<Test>]
let ``modules are read from their texts, and others are not`` () =
    for text, _ in functions do
        let read = SequentialModule.Parse text
        equal read (SequentialModule.Parse(string read))

    equal (SequentialModule(SequentialKind.Linear, 200)) (SequentialModule.Parse " linear  200 ")

    for text in
        [ ""
          "linear"
          "linear 0"
          "linear -3"
          "linear 2.5"
          "linear 99999999999"
          "linear 3 4"
          "leaky-relu x"
          "leaky-relu 1e999"
          "gelu"
          "Tanh"
          "tanh 2" ] do
        equalFor text null (SequentialModule.Parse text)

[<Property>]
let ``any text is a module or none`` (text: string) =
    match SequentialModule.Parse(if isNull text then "" else text) with
    | null -> true
    | read -> SequentialModule.Parse(string read) = read
