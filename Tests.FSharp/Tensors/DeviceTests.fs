module GapLab.Tests.Tensors.DeviceTests

// Moving and elementwise primitives; the tolerances are stated in DeviceChecks.

open System
open NUnit.Framework
open FsCheck
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

// ---- moving --------------------------------------------------------------------------------------------------------------

[<Test>]
let ``numbers go to the device and back, and between element types`` () =
    for n in lengths do
        let values = numbers true n n

        for source in [ F32; F64 ] do
            use x = new Buffer(cpu, source, values)
            equal values x.Values
            use y = new Buffer(cpu, source, Array.zeroCreate n)
            cpu.Write(ReadOnlySpan<float32>(Array.map float32 values), y.Storage)
            equal values y.Values

            for target in [ F32; F64 ] do
                let copied = run cpu [ source, values ] (target, n) (fun s -> cpu.Copy(s[0], s[1]))
                equal values copied

[<Test>]
let ``writing float64 numbers to float32 rounds to nearest`` () =
    use x = new Buffer(cpu, F32, [| 0.1; 1e300; -1e300; 1e-60; 16777217.0 |])
    equal [| float 0.1f; infinity; -infinity; 0.0; 16777216.0 |] x.Values

[<Test>]
let ``filling sets every number`` () =
    for elementType in [ F32; F64 ] do
        for n in lengths do
            let filled = run cpu [] (elementType, n) (fun s -> cpu.Fill(s[0], -2.5))
            equal (Array.create n -2.5) filled

[<Test>]
let ``gathered and selected rows are copies`` () =
    for elementType in [ F32; F64 ] do
        for columns in [ 1; 2; 15; 16; 17; 33 ] do
            let rows = 5
            let x, y = numbers true 1 (rows * columns), numbers true 2 (rows * columns)
            let indices = [| 4; 0; 0; 3 |]
            let row (from: float[]) r = from[r * columns .. (r + 1) * columns - 1]

            let gathered =
                run cpu [ elementType, x ] (elementType, 4 * columns) (fun s ->
                    cpu.GatherRows(s[0], ReadOnlySpan indices, columns, s[1]))

            equal (Array.collect (row x) indices) gathered

            for maskType in [ F32; F64 ] do
                let mask = [| 0.0; 1.0; -0.0; nan; 2.0 |]
                let act (device: Device) (s: Storage list) = device.SelectRows(s[0], s[1], s[2], s[3], rows, columns)

                let exact, obtained =
                    compare [ maskType, mask; elementType, x; elementType, y ] (elementType, rows * columns) act

                equal exact obtained
                let chosen = Array.collect (fun r -> if mask[r] <> 0.0 then row x r else row y r) [| 0..4 |]
                equal chosen obtained

// ---- elementwise ---------------------------------------------------------------------------------------------------------

let private unaryTolerance =
    dict
        [ UnaryFunction.Negate, 0.0
          UnaryFunction.Exp, 1.0
          UnaryFunction.Log, 2.0
          UnaryFunction.Sqrt, 0.0
          UnaryFunction.Square, 0.0
          UnaryFunction.Reciprocal, 0.0
          UnaryFunction.Sigmoid, 3.0
          UnaryFunction.Softplus, 4.0
          UnaryFunction.Tanh, 3.0
          UnaryFunction.Elu, 2.0
          UnaryFunction.NegativePart, 0.0
          UnaryFunction.IsNegative, 0.0
          UnaryFunction.Finite, 0.0
          UnaryFunction.Relu, 0.0 ]

[<Test>]
let ``elementwise functions of one argument`` () =
    for f in Enum.GetValues<UnaryFunction>() do
        for n in 20000 :: lengths do
            let x = numbers true (n + int f) n
            let exact, obtained = compare [ F32, x ] (F32, n) (fun device s -> device.Unary(f, s[0], s[1]))
            requireUlps $"{f} of {n} numbers" unaryTolerance[f] exact obtained

[<Test>]
let ``elementwise functions of the edge values`` () =
    for f in Enum.GetValues<UnaryFunction>() do
        let exact, obtained = compare [ F32, edges ] (F32, edges.Length) (fun device s -> device.Unary(f, s[0], s[1]))
        // A denormal result of a division may be rounded twice by the reference.
        let limit = if f = UnaryFunction.Reciprocal then 1.0 else unaryTolerance[f]
        requireUlps $"{f}" limit exact obtained

[<Test>]
let ``float64 numbers on the CPU device are computed as on the reference device`` () =
    let x, y = numbers true 3 100, numbers true 4 100
    let shape = Shape 100

    for f in Enum.GetValues<UnaryFunction>() do
        let exact, obtained = compare [ F64, x ] (F64, 100) (fun device s -> device.Unary(f, s[0], s[1]))
        equalFor (string f) exact obtained

    for f in Enum.GetValues<BinaryFunction>() do
        let exact, obtained =
            compare [ F64, x; F64, y ] (F64, 100) (fun device s ->
                device.Binary(f, s[0], shape, s[1], shape, s[2], shape))

        equalFor (string f) exact obtained

    for activation in Enum.GetValues<Activation>() do
        let exact, obtained =
            compare [ F64, x; F64, y ] (F64, 100) (fun device s ->
                device.ActivationAdjoint(activation, s[0], s[1], s[2]))

        equalFor (string activation) exact obtained

    let exact, obtained = compare [ F64, x ] (F64, 100) (fun device s -> device.Affine(s[0], -0.3, 0.7, s[1]))
    equal exact obtained

[<Test>]
let ``affine functions round once`` () =
    for n in 20000 :: lengths do
        for scale, shift in [ 1.0, 0.0; -0.5, 3.25; 1.5, -1e10; 0.0, 1.0; -1.0, 0.1 ] do
            let shift = float (float32 shift)

            let exact, obtained =
                compare [ F32, numbers true n n ] (F32, n) (fun device s -> device.Affine(s[0], scale, shift, s[1]))

            requireUlps $"{scale} x + {shift}" 1.0 exact obtained

/// Two operand shapes and their result. Every axis of the result has its full size in at least one operand.
let private broadcastPairs =
    gen {
        let! rank = Gen.choose (0, 5)

        let! sizes =
            Gen.arrayOfLength
                rank
                (Gen.frequency
                    [ 1, Gen.constant 0; 6, Gen.elements [ 1; 2; 3 ]; 3, Gen.elements [ 15; 16; 17; 31; 33 ] ])

        let sizes =
            if Array.fold (fun product n -> product * max 1 n) 1 sizes > 60000 then
                Array.map (min 3) sizes
            else
                sizes
        // 0: both full; 1: x repeats; 2: y repeats.
        let! kinds = Gen.arrayOfLength rank (Gen.choose (0, 2))
        let operand kind = Array.map2 (fun n k -> if k = kind then 1 else n) sizes kinds

        let! dropX, dropY = Gen.two (Gen.elements [ true; false ])
        let drop dropping (operand: int[]) = if dropping then Array.skipWhile ((=) 1) operand else operand
        let x, y = drop dropX (operand 1), drop dropY (operand 2)
        return x, y
    }

let private checkBinary (f: BinaryFunction) (x: int[]) (y: int[]) seed =
    let xShape, yShape = Shape x, Shape y
    let zShape = Shape.Broadcast("test", xShape, yShape)
    let a, b = numbers true seed xShape.Count, numbers true (seed + 1) yShape.Count

    let exact, obtained =
        compare [ F32, a; F32, b ] (F32, zShape.Count) (fun device s ->
            device.Binary(f, s[0], xShape, s[1], yShape, s[2], zShape))

    let denormal value = value <> 0.0 && abs value < 1.1754943508222875e-38
    let strict = Array.map2 (fun e o -> if denormal e && ulps e o <= 1.0 then e, e else e, o) exact obtained
    requireUlps $"{f} of {xShape} and {yShape}" 0.0 (Array.map fst strict) (Array.map snd strict)

    let exact64, obtained64 =
        compare [ F64, a; F64, b ] (F64, zShape.Count) (fun device s ->
            device.Binary(f, s[0], xShape, s[1], yShape, s[2], zShape))

    equal exact64 obtained64

let private checkBroadcast (x: int[]) (y: int[]) =
    let xShape = Shape x
    let yShape = Shape.Broadcast("test", xShape, Shape y)

    for elementType in [ F32; F64 ] do
        let exact, obtained =
            compare [ elementType, numbers true 5 xShape.Count ] (elementType, yShape.Count) (fun device s ->
                device.Broadcast(s[0], xShape, s[1], yShape))

        equalFor $"{xShape} to {yShape}" exact obtained

[<Test>]
let ``elementwise functions of two arguments repeat axes of 1 and missing axes`` () =
    let patterns =
        [ [||], [||]
          [| 33 |], [||]
          [||], [| 17; 3 |]
          [| 100 |], [| 100 |]
          [| 20000 |], [| 20000 |]
          [| 3; 16 |], [| 16 |]
          [| 17; 1 |], [| 17; 31 |]
          [| 17; 1 |], [| 1; 31 |]
          [| 5; 1; 33 |], [| 5; 7; 33 |]
          [| 5; 7; 33 |], [| 5; 1; 1 |]
          [| 1; 7; 1 |], [| 5; 1; 33 |]
          [| 2; 1; 3; 1; 5 |], [| 2; 4; 1; 3; 5 |]
          [| 2; 2; 2; 2; 2; 17 |], [| 2; 1; 2; 1; 2; 1 |]
          [| 1; 1; 1 |], [| 1 |]
          [| 0; 3 |], [| 1 |]
          [| 3; 0 |], [| 3; 1 |]
          [| 2; 0; 3 |], [| 1; 3 |] ]

    for x, y in patterns do
        for f in Enum.GetValues<BinaryFunction>() do
            checkBinary f x y 6
            checkBinary f y x 7

        checkBroadcast x y
        checkBroadcast y x

[<Property(MaxTest = 200)>]
let ``elementwise functions of two arguments, any broadcasting`` (seed: uint16) =
    Prop.forAll
        (Arb.fromGen (Gen.zip broadcastPairs (Gen.elements (Enum.GetValues<BinaryFunction>()))))
        (fun ((x, y), f) ->
            checkBinary f x y (int seed)
            checkBroadcast x y)

[<Test>]
let ``adjoints of activations from their outputs`` () =
    for activation in Enum.GetValues<Activation>() do
        for n in 20000 :: lengths do
            let g = ordinary n n

            let y =
                match activation with
                | Activation.Tanh -> ordinary (n + 1) n |> Array.map (fun v -> float (tanh (float32 (3.0 * v))))
                | Activation.Sigmoid ->
                    ordinary (n + 1) n |> Array.map (fun v -> float (float32 (1.0 / (1.0 + exp (-3.0 * v)))))
                | _ ->
                    numbers true (n + 1) n |> Array.map (fun v -> if activation = Activation.Elu then max v -1.0 else v)

            let exact, obtained =
                compare [ F32, y; F32, g ] (F32, n) (fun device s ->
                    device.ActivationAdjoint(activation, s[0], s[1], s[2]))

            requireWithin $"{activation} of {n}" (Array.map (fun v -> 4.0 * epsilon * abs v) g) exact obtained
