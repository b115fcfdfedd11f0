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

/// a_id - log Σ e^a by elementary operations.
let private logProbs (h: Tensor) (w: Tensor) b (ids: int[]) =
    let a = h.Linear(w, b)
    let rows, columns = a.Shape[0], a.Shape[1]
    let shifted = a - a.Max(-1).Reshape(rows, 1)
    let places = ids |> Array.mapi (fun r id -> r * columns + id)
    let chosen = shifted.Reshape(rows * columns, 1).Embed(memory places).Reshape(rows)
    chosen.To ElementType.Float64 - shifted.Exp().Sum(-1, ElementType.Float64).Log()

let private words = [| 2; 0; 4; 2 |]

let private layer =
    let random = Random 2
    [| operand random [| 4; 3 |]; operand random [| 5; 3 |]; operand random [| 5 |] |]

[<Test>]
let ``log-probabilities of words can be differentiated three times`` () =
    let f (x: Tensor[]) = x[0].LinearCategoricalLogLikelihood(x[1], x[2], memory words)
    checkGradients "LinearCategoricalLogLikelihood" f layer
    checkSecondDerivatives "LinearCategoricalLogLikelihood" f layer

    // The gradient as a function, whose second derivatives are the third.
    let gradient (x: Tensor[]) = Gradient.Of((f x).Sum(), x[0], Tensor(), true) * x[0]
    checkGradients "its gradient" gradient layer
    checkSecondDerivatives "its gradient" gradient layer

[<Test>]
let ``log-probabilities of words are those of elementary operations, with a tape and without`` () =
    for device in [ device :> Device; GapLab.Tensors.Cpu.CpuDevice.Instance ] do
        let tolerance = if device.Real = ElementType.Float64 then 1e-13 else 2e-6
        use _ = MemoryScope.Enter()
        let x = layer |> Array.map (fun o -> Tensor.Create(device, Shape o.Sizes, o.Values))
        let fused, plain = x[0].LinearCategoricalLogLikelihood(x[1], x[2], memory words), logProbs x[0] x[1] x[2] words
        close "values" tolerance (plain.ToArray()) (fused.ToArray())
        let weights = Tensor.Create(device, Shape 4, [| 1.0; -2.0; 0.5; 3.0 |]).To ElementType.Float64

        let gradients (y: Tensor) =
            let found = Array.zeroCreate<Tensor> 3
            Gradient.Of(y, ReadOnlySpan x, Span found, weights)
            found |> Array.collect _.ToArray()

        close "gradients" (10.0 * tolerance) (gradients plain) (gradients fused)
        use _ = MemoryScope.Enter(record = false)
        equal (fused.ToArray()) (x[0].LinearCategoricalLogLikelihood(x[1], x[2], memory words).ToArray())

[<Test>]
let ``words outside the vocabulary, and sizes that do not fit, are refused`` () =
    use _ = MemoryScope.Enter()
    let x = Array.map tensor layer

    let refuses parts (h: Tensor) ids =
        throws<ShapeException> ("LinearCategoricalLogLikelihood:" :: parts) (fun () ->
            h.LinearCategoricalLogLikelihood(x[1], x[2], memory ids) |> ignore)

    refuses [ "id 5 "; "position 3"; "0 to 4" ] x[0] [| 0; 1; 2; 5 |]
    refuses [ "3 words" ] x[0] [| 0; 1; 2 |]
    refuses [ "[5, 3]" ] x[1] [| 0; 1; 2; 3 |]
