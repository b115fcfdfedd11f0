module GapLab.Tests.Differentiation.OperationTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

type private Case = { Name: string; Apply: Tensor[] -> Tensor; Operands: Operand[] }

let private case name operands apply = { Name = name; Apply = apply; Operands = operands }

let private sizes (random: Random) rank = Array.init rank (fun _ -> random.Next(1, 4))

/// Two shapes that broadcast to a random one: axes of 1 and missing leading axes on either side.
let private broadcastPair (random: Random) =
    let full = sizes random (random.Next 5)
    let kinds = full |> Array.map (fun _ -> random.Next 3)
    let shape kind = Array.map2 (fun n k -> if k = kind then 1 else n) full kinds
    let drop (shape: int[]) = if random.Next 2 = 0 then Array.skipWhile ((=) 1) shape else shape
    drop (shape 1), drop (shape 2)

let private elementwise (random: Random) =
    let x () = operand random (sizes random (random.Next 4))
    let y, z = broadcastPair random
    let pair = [| operand random y; operand random z |]

    [ case "Negate" [| x () |] (fun t -> -t[0])
      case "Exp" [| x () |] (fun t -> t[0].Exp())
      case "Log" [| positive (x ()) |] (fun t -> t[0].Log())
      case "Sqrt" [| positive (x ()) |] (fun t -> t[0].Sqrt())
      case "Square" [| x () |] (fun t -> t[0].Square())
      case "Reciprocal" [| x () |] (fun t -> t[0].Reciprocal())
      case "Sigmoid" [| x () |] (fun t -> t[0].Sigmoid())
      case "Softplus" [| x () |] (fun t -> t[0].Softplus())
      case "Tanh" [| x () |] (fun t -> t[0].Tanh())
      case "Elu" [| x () |] (fun t -> t[0].Elu())
      case "Relu" [| x () |] (fun t -> t[0].Relu())
      case "NegativePart" [| x () |] (fun t -> t[0].NegativePart())
      case "IsNegative" [| x () |] (fun t -> t[0].IsNegative())
      case "Affine" [| x () |] (fun t -> (2.0 - t[0] * 1.5) / 4.0 + 1.0)
      case "Add" pair (fun t -> t[0] + t[1])
      case "Subtract" pair (fun t -> t[0] - t[1])
      case "Multiply" pair (fun t -> t[0] * t[1])
      case "Divide" pair (fun t -> t[0] / t[1])
      // An operand used twice collects both contributions.
      case "x² as a product" [| x () |] (fun t -> t[0] * t[0])
      case "x / x" [| x () |] (fun t -> t[0] / t[0]) ]

let private shaping (random: Random) =
    let full = sizes random 3
    let x = operand random full
    let small, other = broadcastPair random
    let large = Shape.Broadcast("test", Shape small, Shape other)
    let axis = random.Next(-3, 3)
    let rows, columns = random.Next(1, 5), random.Next(1, 4)
    let mask = Array.init rows (fun _ -> float (random.Next 2))

    [ case "Reshape" [| x |] (fun t -> t[0].Reshape(Shape x.Values.Length).Square())
      case "BroadcastTo" [| operand random small |] (fun t -> t[0].BroadcastTo(large).Square())
      case "SumTo" [| operand random (large.Span.ToArray()) |] (fun t -> t[0].SumTo(Shape small).Square())
      case "Sum" [| x |] (fun t -> t[0].Square().Sum())
      case "Sum along an axis" [| x |] (fun t -> t[0].Square().Sum axis)
      case "Mean" [| x |] (fun t -> t[0].Square().Mean())
      case "Mean along an axis" [| x |] (fun t -> t[0].Square().Mean axis)
      case "LogMeanExp" [| x |] (fun t -> t[0].LogMeanExp axis)
      case "SelectRows" [| operand random [| rows; columns |]; operand random [| rows; columns |] |] (fun t ->
          Tensor.SelectRows(Tensor.Create(device, Shape rows, mask), t[0].Square(), t[1]))
      case "To its own type" [| x |] (fun t -> t[0].To(ElementType.Float64).Square()) ]

/// Operands of a linear layer whose pre-activations keep away from 0, where ELU's second derivative jumps.
let rec private linearOperands (random: Random) leading =
    let inputs, outputs = random.Next(1, 4), random.Next(1, 4)

    let operands =
        [| operand random (Array.append leading [| inputs |])
           operand random [| outputs; inputs |]
           operand random [| outputs |] |]

    use scope = MemoryScope.Enter()
    let before = (tensor operands[0]).Linear(tensor operands[1], tensor operands[2]).ToArray()

    if Array.forall (fun a -> abs a > 1e-2) before then
        operands
    else
        linearOperands random leading

let private products (random: Random) =
    let m, n, k = random.Next(1, 5), random.Next(1, 5), random.Next(1, 5)

    [ for transposeA in [ false; true ] do
          for transposeB in [ false; true ] do
              let a = operand random (if transposeA then [| k; m |] else [| m; k |])
              let b = operand random (if transposeB then [| n; k |] else [| k; n |])
              case $"MatMul({transposeA}, {transposeB})" [| a; b |] (fun t -> t[0].MatMul(t[1], transposeA, transposeB))
      for activation in Enum.GetValues<Activation>() do
          case $"Linear with {activation}" (linearOperands random (sizes random (random.Next 3))) (fun t ->
              t[0].Linear(t[1], t[2], activation))

          case $"{activation}" [| operand random [| 3; 2 |] |] (fun t -> t[0].Activate activation)
      let b, s, d = random.Next(1, 4), random.Next(1, 4), random.Next(1, 6)

      case "BernoulliLogLikelihood" [| operand random [| b; s; d |]; operand random [| b; d |] |] (fun t ->
          t[0].BernoulliLogLikelihood t[1]) ]

let private all seed =
    let random = Random(seed: int)
    elementwise random @ shaping random @ products random

let private repetitions = if soak then 300 else 15

[<Property(MaxTest = 15)>]
let ``every operation's gradient is that of central differences`` (seed: int) =
    for i in 1 .. repetitions / 15 do
        for case in all (seed + i) do
            checkGradients case.Name case.Apply case.Operands

[<Property(MaxTest = 15)>]
let ``every operation's gradient can be differentiated again`` (seed: int) =
    for i in 1 .. repetitions / 15 do
        for case in all (seed + i) do
            checkSecondDerivatives case.Name case.Apply case.Operands

[<Test>]
let ``third derivatives exist too`` () =
    // tanh''' = -2 (1 - t²)(1 - 3 t²), t = tanh x.
    use scope = MemoryScope.Enter()
    let x = Tensor.Create(device, Shape 3, [| -0.7; 0.0; 1.3 |])
    let first = Gradient.Of(x.Tanh(), x, createGraph = true)
    let second = Gradient.Of(first, x, createGraph = true)
    let third = Gradient.Of(second, x)
    let expected = x.ToArray() |> Array.map (fun v -> let t = tanh v in -2.0 * (1.0 - t * t) * (1.0 - 3.0 * t * t))
    close "tanh'''" 1e-14 expected (third.ToArray())

[<Test>]
let ``fused kernels and compositions give the same gradient`` () =
    // With createGraph the adjoint of the Bernoulli log-likelihood is composed of other operations.
    use scope = MemoryScope.Enter()
    let random = Random 3

    for device in [ device :> Device; CpuDevice.Instance ] do
        let make sizes = let o = operand random sizes in Tensor.Create(device, Shape o.Sizes, o.Values)
        let a, x = make [| 3; 4; 37 |], make [| 3; 37 |]
        let y = a.BernoulliLogLikelihood x
        let fused, composed = Gradient.Of(y, a), Gradient.Of(y, a, createGraph = true)
        // float32: a few units in the last place of numbers of size 1.
        let tolerance = if device.Real = ElementType.Float64 then 1e-15 else 5e-7
        close $"gradient on {device}" tolerance (composed.ToArray()) (fused.ToArray())

[<Test>]
let ``on the CPU device sums are float64 and gradients come back as float32`` () =
    use scope = MemoryScope.Enter()
    let cpu = CpuDevice.Instance
    let x = Tensor.Create(cpu, Shape(2, 3), [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |])
    let y = x.Square().Sum(-1, ElementType.Float64)
    equal ElementType.Float64 y.Type
    equal ElementType.Float32 (x.Square().Sum -1).Type
    equal [| 14.0; 77.0 |] (y.ToArray())
    // A float32 seed is taken for the float64 y.
    let seed = Tensor.Create(cpu, Shape 2, [| 1.0; 10.0 |])
    let gradient = Gradient.Of(y, x, seed)
    equal ElementType.Float32 gradient.Type
    equal [| 2.0; 4.0; 6.0; 80.0; 100.0; 120.0 |] (gradient.ToArray())
    let twice = x.To(ElementType.Float64) * x.To(ElementType.Float64)
    equal ElementType.Float64 twice.Type
    equal [| 2.0; 4.0; 6.0; 8.0; 10.0; 12.0 |] (Gradient.Of(twice, x).ToArray())

[<Test>]
let ``a float32 seed reaches a fused kernel as float64`` () =
    use scope = MemoryScope.Enter()
    let cpu = CpuDevice.Instance
    let logits = Tensor.Filled(cpu, Shape(3, 1, 2), 0.0)
    let y = logits.BernoulliLogLikelihood(Tensor.Filled(cpu, Shape(3, 2), 1.0))
    let gradient = Gradient.Of(y, logits, Tensor.Create(cpu, Shape(3, 1), [| 1.0; 2.0; 4.0 |]))
    equal [| 0.5; 0.5; 1.0; 1.0; 2.0; 2.0 |] (gradient.ToArray())

[<Test>]
let ``log-mean-exp neither overflows nor underflows`` () =
    use scope = MemoryScope.Enter()
    // log((e^1000 + e^998) / 2) = 1000 + log1p(e^-2) - log 2.
    let expected = Math.Log(1.0 + exp -2.0) - log 2.0
    let of2 a b = Tensor.Create(device, Shape 2, [| a; b |]).LogMeanExp(0).ToDouble()
    near 1e-12 (1000.0 + expected) (of2 1000.0 998.0)
    near 1e-12 (-1000.0 + expected) (of2 -1002.0 -1000.0)
    near 1e-12 (3.0 - log 2.0) (of2 3.0 -infinity)

[<Test>]
let ``shape errors name the operation and both shapes`` () =
    use scope = MemoryScope.Enter()
    let make (sizes: int[]) = Tensor.Filled(device, Shape sizes, 1.0)
    let refuses words (action: unit -> Tensor) = throws<ShapeException> words (action >> ignore)
    refuses [ "Add:"; "[2, 3]"; "[2, 4]" ] (fun () -> make [| 2; 3 |] + make [| 2; 4 |])
    refuses [ "Divide:"; "[2]"; "[3]" ] (fun () -> make [| 2 |] / make [| 3 |])
    refuses [ "MatMul:"; "[2, 3]"; "[2, 4]" ] (fun () -> (make [| 2; 3 |]).MatMul(make [| 2; 4 |]))

    refuses [ "MatMul:"; "[2, 3]ᵀ"; "[3, 4]" ] (fun () ->
        (make [| 2; 3 |]).MatMul(make [| 3; 4 |], transposeThis = true))

    refuses [ "MatMul:"; "[3]" ] (fun () -> (make [| 3 |]).MatMul(make [| 3; 4 |]))
    refuses [ "Linear:"; "[5, 3]"; "[2, 4]"; "[2]" ] (fun () -> (make [| 5; 3 |]).Linear(make [| 2; 4 |], make [| 2 |]))
    refuses [ "Linear:"; "[3]" ] (fun () -> (make [| 5; 3 |]).Linear(make [| 2; 3 |], make [| 3 |]))
    refuses [ "Reshape:"; "[2, 3]"; "[7]" ] (fun () -> (make [| 2; 3 |]).Reshape(Shape 7))
    refuses [ "BroadcastTo"; "[2, 3]"; "[2, 4]" ] (fun () -> (make [| 2; 3 |]).BroadcastTo(Shape(2, 4)))
    refuses [ "BroadcastTo"; "[2, 3]"; "[3]" ] (fun () -> (make [| 2; 3 |]).BroadcastTo(Shape 3))
    refuses [ "SumTo"; "[2, 3]"; "[2]" ] (fun () -> (make [| 2; 3 |]).SumTo(Shape 2))
    refuses [ "SumTo"; "[3]"; "[2, 3]" ] (fun () -> (make [| 3 |]).SumTo(Shape(2, 3)))
    refuses [ "Axis 2"; "[2, 3]" ] (fun () -> (make [| 2; 3 |]).Sum 2)

    refuses [ "BernoulliLogLikelihood:"; "[2, 3, 4]"; "[2, 5]" ] (fun () ->
        (make [| 2; 3; 4 |]).BernoulliLogLikelihood(make [| 2; 5 |]))

    refuses [ "SelectRows:"; "[3]"; "[2, 4]" ] (fun () ->
        Tensor.SelectRows(make [| 3 |], make [| 2; 4 |], make [| 2; 4 |]))

    refuses [ "GatherRows:"; "row 2"; "[2, 3]" ] (fun () -> (make [| 2; 3 |]).GatherRows(ReadOnlySpan [| 0; 2 |]))
    refuses [ "GatherRows:"; "[3]" ] (fun () -> (make [| 3 |]).GatherRows(ReadOnlySpan [| 0 |]))
    refuses [ "Create:"; "5"; "[2, 3]" ] (fun () -> Tensor.Create(device, Shape(2, 3), Array.create 5 0.0))
    throws<ShapeException> [ "ToDouble"; "[2]" ] (fun () -> (make [| 2 |]).ToDouble() |> ignore)
    throws<ShapeException> [ "Assign"; "[3]"; "[2]" ] (fun () -> (make [| 2 |]).Assign(make [| 3 |]))

[<Test>]
let ``operands on two devices, or of two types, are refused`` () =
    use scope = MemoryScope.Enter()
    let cpu = CpuDevice.Instance
    let here, there = Tensor.Filled(device, Shape(2, 2), 1.0), Tensor.Filled(cpu, Shape(2, 2), 1.0)
    throws<DeviceMismatchException> [ "Multiply:"; "reference"; "cpu" ] (fun () -> here * there |> ignore)
    throws<DeviceMismatchException> [ "MatMul:"; "cpu"; "reference" ] (fun () -> there.MatMul here |> ignore)
    throws<DeviceMismatchException> [ "Assign"; "reference"; "cpu" ] (fun () -> here.Assign there)
    throws<ShapeException> [ "Add:"; "Float32"; "Float64" ] (fun () -> there + there.To ElementType.Float64 |> ignore)

[<Test>]
let ``numbers are clamped to the nearest within, the infinite ones too, and those within keep their bits`` () =
    for device in [ CpuDevice.Instance :> Device; Reference.ReferenceDevice.Instance ] do
        let within = [| -15.0; 0.1; 14.999; 15.0 |]
        let x = Tensor.Create(device, Shape 8, ReadOnlySpan(Array.append within [| infinity; -infinity; 1e30; nan |]))
        let clamped = x.Clamp(-15.0, 15.0).ToArray()
        equal (x.ToArray()[..3]) clamped[..3]
        equal [| 15.0; -15.0; 15.0; nan |] clamped[4..]
