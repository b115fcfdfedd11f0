/// Operations of models of words: their values, derivatives, and derivatives of those.
module GapLab.Tests.Differentiation.WordOperationTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

let private memory (ids: int[]) = ReadOnlyMemory ids

[<Test>]
let ``an embedding is a product with rows of the identity, and so are its derivatives`` () =
    let table = operand (Random 1) [| 5; 3 |]
    let chosen = memory [| 4; 0; 0; 2; 4; 4 |]
    // Something that is not linear, so that second derivatives are not 0.
    let f (x: Tensor[]) = let y = x[0].Embed chosen in y * y * y
    checkGradients "Embed" f [| table |]
    checkSecondDerivatives "Embed" f [| table |]

    use _ = MemoryScope.Enter()
    let x = tensor table
    equal (Array.collect (fun r -> table.Values[3 * r .. 3 * r + 2]) (chosen.ToArray())) (x.Embed(chosen).ToArray())
    // Uses of each row: 2, 0, 1, 0, 3.
    let uses = Gradient.Of(x.Embed(chosen).Sum(), x)
    equal (Array.collect (fun n -> Array.create 3 n) [| 2.0; 0.0; 1.0; 0.0; 3.0 |]) (uses.ToArray())
    equal (Shape(0, 3)) (x.Embed(memory [||]).Shape)

[<Test>]
let ``an id outside the table is named with its position`` () =
    use _ = MemoryScope.Enter()
    let x = Tensor.Filled(device, Shape(5, 3), 1.0)

    for id in [ 5; -1 ] do
        throws<ShapeException> [ "Embed:"; $"id {id} "; "position 2"; "0 to 4" ] (fun () ->
            x.Embed(memory [| 0; 4; id |]) |> ignore)

    throws<ShapeException> [ "Embed:"; "[3]" ] (fun () ->
        Tensor.Filled(device, Shape 3, 1.0).Embed(memory [| 0 |]) |> ignore)
