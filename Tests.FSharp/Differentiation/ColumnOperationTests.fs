/// Columns taken out of tensors, and tensors put side by side.
module GapLab.Tests.Differentiation.ColumnOperationTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private cpu = CpuDevice.Instance :> Device
let private reference = ReferenceDevice.Instance :> Device

let private counting device (sizes: int list) first =
    let shape = Shape(List.toArray sizes)
    Tensor.Create(device, shape, Array.init shape.Count (fun i -> float (first + i)))

[<Test>]
let ``columns are taken out and put together in their order`` () =
    for device in [ reference; cpu ] do
        use _ = MemoryScope.Enter()
        let x = counting device [ 2; 2; 5 ] 0
        equal [| 1.0; 2.0; 6.0; 7.0; 11.0; 12.0; 16.0; 17.0 |] (x.Columns(1, 2).ToArray())
        equal (Shape(2, 2, 2)) (x.Columns(1, 2).Shape)
        let a, b = counting device [ 2; 1 ] 0, counting device [ 2; 2 ] 10
        equal [| 0.0; 10.0; 11.0; 1.0; 12.0; 13.0 |] (Tensor.Concatenate(a, b).ToArray())

        // More than one operation takes.
        let many = [| for i in 0..9 -> counting device [ 3; 1 + i % 3 ] (100 * i) |]
        let all = Tensor.Concatenate many
        let mutable column = 0

        for part in many do
            equal (part.ToArray()) (all.Columns(column, part.Shape[-1]).ToArray())
            column <- column + part.Shape[-1]

        equal column all.Shape[-1]

[<Test>]
let ``their derivatives, and the derivatives of those, are exact`` () =
    use _ = MemoryScope.Enter()
    let a, b = counting reference [ 2; 2 ] 1, counting reference [ 2; 3 ] 5
    // f = sum of (x^3 c) over columns 1 to 3 of [a, b]: columns 1 of a, 0 and 1 of b.
    let x = Tensor.Concatenate(a, b).Columns(1, 3)
    let c = counting reference [ 2; 3 ] 2
    let f = (x * x * x * c).Sum()
    let gradients = Array.zeroCreate 2
    Gradient.Of(f, ReadOnlySpan [| a; b |], Span gradients, createGraph = true)
    let expected (values: float[]) (factors: float[]) = Array.map2 (fun v k -> 3.0 * v * v * k) values factors
    equal (expected [| 1.0; 2.0; 3.0; 4.0 |] [| 0.0; 2.0; 0.0; 5.0 |]) (gradients[0].ToArray())
    equal (expected [| 5.0; 6.0; 7.0; 8.0; 9.0; 10.0 |] [| 3.0; 4.0; 0.0; 6.0; 7.0; 0.0 |]) (gradients[1].ToArray())
    let second = Gradient.Of(gradients[1].Sum(), b)
    equal [| 90.0; 144.0; 0.0; 288.0; 378.0; 0.0 |] (second.ToArray())

[<Test>]
let ``columns that are not there, and tensors that do not fit, are refused`` () =
    use _ = MemoryScope.Enter()
    let x = counting cpu [ 2; 3 ] 0

    for first, count in [ -1, 2; 0, 0; 2, 2; 0, 4; 1, Int32.MaxValue ] do
        throws<ShapeException> [ "Columns"; "[2, 3]" ] (fun () -> x.Columns(first, count) |> ignore)

    throws<ShapeException> [ "Concatenate" ] (fun () -> Tensor.Concatenate(x, counting cpu [ 3; 3 ] 0) |> ignore)
    throws<ShapeException> [ "nothing" ] (fun () -> Tensor.Concatenate() |> ignore)

    throws<DeviceMismatchException> [ "device" ] (fun () ->
        Tensor.Concatenate(x, counting reference [ 2; 3 ] 0) |> ignore)
