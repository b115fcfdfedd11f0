module GapLab.Tests.Inference.UnrolledAscentTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Families
open GapLab.Inference
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private objective (parameters: Tensor list) value =
    { new IObjective with
        member _.Parameters = List.toArray parameters
        member _.Value lambda = value lambda }

let private scalar value = Tensor.Create(reference, Shape(1, 1), [| value |])

let private plain =
    SemiAmortizedOptions(Iterations = 4, StepSize = 0.1, Momentum = 0.5, BatchSize = 1, Clip = Nullable())

let private block name size = LocalBlock(name, size)

/// λ_K and, from the derivatives of the last objective's sum, λ̄_0 and θ̄.
let private run options blocks (objective: int -> IObjective) (start: Tensor[]) product (earlier: float[]) =
    use scope = MemoryScope.Enter()
    let ascent = UnrolledAscent(options, blocks)
    let trace = ascent.Ascend(objective, LocalParameters start)
    let final = objective options.Iterations
    let last = [| for b in trace.Final.Blocks -> scope.Copy b |]
    let wanted = Array.append last (Seq.toArray final.Parameters)
    let found = Array.zeroCreate wanted.Length
    let value = final.Value(LocalParameters last)
    Gradient.Of(value, ReadOnlySpan wanted, Span found)
    let lambda, theta = found |> Array.map scope.Copy |> Array.splitAt last.Length

    ascent.PullBack(objective, trace, ReadOnlySpan lambda, ReadOnlySpan theta, product, ReadOnlySpan earlier)

    [| for b in trace.Final.Blocks -> b.ToArray() |],
    value.Sum().ToDouble(),
    lambda |> Array.map _.ToArray(),
    theta |> Array.map _.ToArray()

[<Test>]
let ``the golden case`` () =
    // f(l, t) = t l²/2 + l⁴/4 - l + t²/2 from l = 1.2 at t = 0.7: derivatives of f after four steps of 0.1 with momentum 0.5, checked against finite differences of all of it and against
    // an independent computation in Python.
    let t = scalar 0.7

    let f =
        objective [ t ] (fun lambda ->
            let l = lambda[0]

            -(0.5 * t * l.Square() + 0.25 * l.Square().Square() - l + 0.5 * t.Square()).Reshape(1))

    let final, value, lambda, theta =
        run plain [ block "l" 1 ] (fun _ -> f) [| scalar 1.2 |] HessianProduct.Exact [||]

    near 1e-10 0.7120047542806457 final[0].[0]
    near 1e-10 0.225322213908391 value
    near 1e-10 -0.0369177787073632 lambda[0].[0]
    near 1e-10 -1.0025499632748194 theta[0].[0]
    // One-sided differences with ε = 1e-5.
    let _, _, lambda, theta = run plain [ block "l" 1 ] (fun _ -> f) [| scalar 1.2 |] HessianProduct.OneSided [||]

    near 1e-9 -0.0369177745 lambda[0].[0]
    near 1e-9 -1.0025499636 theta[0].[0]

/// Objectives of two blocks that differ from step to step: L_k = Σ_j sin(w_k a_j) b_j - c a_j² / 2 - b_j⁴ / 4, weights w_k and c.
let private waves (random: Random) rows =
    let numbers () = Array.init (rows * 3) (fun _ -> 2.0 * random.NextDouble() - 1.0)

    let matrix () = Tensor.Create(reference, Shape(rows, 3), numbers ())
    let frequencies = Array.init 10 (fun _ -> 0.5 + random.NextDouble())

    let w, c =
        Tensor.Create(reference, Shape 3, Array.truncate 3 (numbers ())), Tensor.Create(reference, Shape 1, [| 0.7 |])

    let objectiveOf (w: Tensor) (c: Tensor) k =
        objective [ w; c ] (fun lambda ->
            let a, b = lambda[0], lambda[1]
            let sine = 0.5 * (w * a + frequencies[k]).Tanh() * b
            (sine - 0.5 * c * a.Square() - 0.25 * b.Square().Square()).Sum(1))

    [| matrix (); matrix () |], [| w; c |], objectiveOf

let private blocks = [ block "mean" 3; block "logVariance" 3 ]

/// Central differences of Σ_k w_k Σ_b L_k(λ_k) after the ascent, with respect to λ_0 and θ.
let private differences
    (options: SemiAmortizedOptions)
    (start: Tensor[])
    (parameters: Tensor[])
    objectiveOf
    (weights: float[])
    =
    let lossOf (values: Tensor[]) =
        let lambda, theta = Array.splitAt (Array.length start) values
        let objective: int -> IObjective = objectiveOf theta[0] theta[1]
        let trace = UnrolledAscent(options, blocks).Ascend(objective, LocalParameters lambda)

        Seq.sum (
            Seq.mapi2 (fun k weight point -> weight * (objective k).Value(point).Sum().ToDouble()) weights trace.Points
        )

    let all = Array.append start parameters

    [| for i in 0 .. all.Length - 1 ->
           let values = all[i].ToArray()

           [| for j in 0 .. values.Length - 1 ->
                  let at shift =
                      let moved = Array.mapi (fun m v -> if m = j then v + shift else v) values

                      lossOf (
                          Array.mapi (fun m t -> if m = i then Tensor.Create(reference, all[i].Shape, moved) else t) all
                      )

                  (at 1e-5 - at -1e-5) / 2e-5 |] |]

[<Property(MaxTest = 20)>]
let ``derivatives are those of the whole ascent`` (seed: int) =
    let random = Random seed
    let start, parameters, objectiveOf = waves random (random.Next(1, 4))

    for steps in [ 0; 1; 5 ] do
        for momentum in [ 0.0; 0.5 ] do
            let options =
                SemiAmortizedOptions(
                    Iterations = steps,
                    StepSize = 0.7,
                    Momentum = momentum,
                    BatchSize = 2,
                    Clip = Nullable()
                )

            let earlier = Array.init steps (fun k -> if k = 1 then 0.0 else 0.3 * float (k + 1))
            let expected = differences options start parameters objectiveOf (Array.append earlier [| 1.0 |])

            for product, tolerance in
                [ HessianProduct.Exact, 1e-8
                  HessianProduct.Central, 1e-7
                  HessianProduct.OneSided, 1e-4
                  HessianProduct.Original, 1e-4 ] do
                let _, _, lambda, theta =
                    run options blocks (objectiveOf parameters[0] parameters[1]) start product earlier

                for e, f in Array.zip expected (Array.append lambda theta) do
                    close $"{product}, {steps} steps" tolerance e f

let private norm (values: float[]) = values |> Array.sumBy (fun v -> v * v) |> sqrt

[<Property(MaxTest = 20)>]
let ``clipped steps are no longer than the threshold, and a threshold that is never reached changes nothing``
    (seed: int)
    =
    let start, parameters, objectiveOf = waves (Random seed) 3
    let objective = objectiveOf parameters[0] parameters[1]

    let trace options =
        use _ = MemoryScope.Enter(record = false)

        [| for point in UnrolledAscent(options, blocks).Ascend(objective, LocalParameters start).Points ->
               [| for b in point.Blocks -> b.ToArray() |] |]

    let clippedTo threshold scope =
        SemiAmortizedOptions(Iterations = 3, BatchSize = 4, Momentum = 0.0, Clip = threshold, Scope = scope)

    for scope in Enum.GetValues<ClipScope>() do
        for threshold in [ 0.05; 0.2 ] do
            let points = trace (clippedTo (Nullable threshold) scope)

            for before, after in Array.pairwise points do
                for a, b in Array.zip before after do
                    let moved = Array.map2 (-) b a

                    match scope with
                    | ClipScope.Batch -> holds "the batch's norm" (norm moved <= threshold + 1e-9)
                    | _ ->
                        for row in Array.chunkBySize 3 moved do
                            holds "the row's norm" (norm row <= threshold / 2.0 + 1e-9)

        equalFor "never reached" (trace (clippedTo (Nullable()) scope)) (trace (clippedTo (Nullable 1e6) scope))

    // The first step has the clipped gradient, block by block.
    let gradients =
        use scope = MemoryScope.Enter()
        let found = Array.zeroCreate 2
        let lambda = LocalParameters [| for b in start -> scope.Copy b |]
        (objective 0).Gradient(lambda, Span found) |> ignore
        [| for g in found -> g.ToArray() |> Array.map (fun v -> v / 4.0) |]

    let points = trace (clippedTo (Nullable 0.1) ClipScope.Batch)

    for i, g in Array.indexed gradients do
        let factor = min 1.0 (0.1 / (norm g + 1e-6))
        close $"block {i}" 1e-12 (Array.map2 (fun l v -> l + factor * v) points[0].[i] g) points[1].[i]

[<Test>]
let ``clipping is of the products, or of what they are made of as in the original`` () =
    // One step from λ_0: λ̄_0 = clip(λ̄_1 + H v̄) and θ̄ = θ̄_1 + clip(H v̄), v̄ = α λ̄_1.
    let start, parameters, objectiveOf = waves (Random 5) 2
    let objective = objectiveOf parameters[0] parameters[1]

    let options =
        SemiAmortizedOptions(Iterations = 1, StepSize = 3.0, Momentum = 0.0, BatchSize = 1, Clip = Nullable 0.2)

    use scope = MemoryScope.Enter()
    let ascent = UnrolledAscent(options, blocks)
    let trace = ascent.Ascend(objective, LocalParameters start)

    let adjoint =
        [| for b in start -> Tensor.Create(reference, b.Shape, Array.init b.Count (fun i -> 0.1 * float (i - 2))) |]

    let pulled product =
        let lambda = adjoint |> Array.map scope.Copy
        let theta = [| for p in parameters -> Tensor.Filled(reference, p.Shape, 0.0) |]
        ascent.PullBack(objective, trace, ReadOnlySpan lambda, ReadOnlySpan theta, product, ReadOnlySpan())
        Array.collect (fun (t: Tensor) -> t.ToArray()) lambda, Array.collect (fun (t: Tensor) -> t.ToArray()) theta

    let gradientsAt (blocks: Tensor[]) =
        let wanted = Array.append (blocks |> Array.map scope.Copy) parameters
        let found = Array.zeroCreate wanted.Length
        Gradient.Of((objective 0).Value(LocalParameters wanted[..1]), ReadOnlySpan wanted, Span found)
        found |> Array.map _.ToArray()

    let clip (values: float[]) =
        let factor = min 1.0 (0.2 / (norm values + 1e-6))
        values |> Array.map (fun v -> factor * v)

    let at = Array.map2 (fun (b: Tensor) (v: Tensor) -> b - 3e-5 * v) start adjoint |> gradientsAt
    let before = gradientsAt start
    let flat parts = Array.concat (parts: float[][])
    let backward = flat [| for a in adjoint -> a.ToArray() |]

    let expected (there: float[]) (here: float[]) =
        let products = Array.map2 (fun a b -> (b - a) / 1e-5) there here
        let lambda, theta = Array.splitAt backward.Length products
        clip (Array.map2 (+) backward lambda), clip theta

    let check product tolerance (lambda, theta) =
        let foundLambda, foundTheta = pulled product
        close $"{product}, λ" tolerance lambda foundLambda
        close $"{product}, θ" tolerance theta foundTheta

    holds "clipping matters" (norm (flat at) > 0.4)
    check HessianProduct.OneSided 1e-9 (expected (flat at) (flat before))
    check HessianProduct.Exact 1e-4 (expected (flat at) (flat before))
    let stored = Array.append (before[..1] |> Array.map clip) before[2..]
    check HessianProduct.Original 1e-9 (expected (clip (flat at)) (flat stored))

[<Test>]
let ``settings that make no sense are refused, and a gradient that is not finite is named`` () =
    for options in
        [ SemiAmortizedOptions(Iterations = -1)
          SemiAmortizedOptions(BatchSize = 0)
          SemiAmortizedOptions(Samples = 0)
          SemiAmortizedOptions(StepSize = 0.0)
          SemiAmortizedOptions(Momentum = 1.0)
          SemiAmortizedOptions(Clip = Nullable 0.0) ] do
        throws<GapLabException> [ "Gradient ascent"; "steps" ] (fun () -> UnrolledAscent(options, blocks) |> ignore)

    let start, parameters, objectiveOf = waves (Random 1) 2
    let objective = objectiveOf parameters[0] parameters[1]

    throws<GapLabException> [ "single datapoints"; "batch" ] (fun () ->
        run
            (SemiAmortizedOptions(Scope = ClipScope.Datapoint, Iterations = 1))
            blocks
            objective
            start
            HessianProduct.Original
            [||]
        |> ignore)

    let spoilt = objectiveOf (parameters[0] * nan) parameters[1]

    throws<GapLabException> [ "'mean'"; "iteration 1"; "smaller" ] (fun () ->
        run plain blocks spoilt start HessianProduct.Exact [||] |> ignore)
