module GapLab.Tests.Differentiation.GradientTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

let private vector (values: float[]) = Tensor.Create(device, Shape values.Length, values)

let private gradients y (wanted: Tensor[]) =
    let found = Array.zeroCreate<Tensor> wanted.Length
    Gradient.Of(y, wanted, found)
    found

[<Test>]
let ``without a seed the sum of all elements is differentiated`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0; 3.0 |]
    equal [| 2.0; 4.0; 6.0 |] (Gradient.Of(x.Square(), x).ToArray())

[<Test>]
let ``a seed weights the elements`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0; 3.0 |]
    let y = x.Square()
    equal [| 20.0; 0.0; -6.0 |] (Gradient.Of(y, x, vector [| 10.0; 0.0; -1.0 |]).ToArray())
    throws<ShapeException> [ "seed"; "[2]"; "[3]" ] (fun () -> Gradient.Of(y, x, vector [| 1.0; 1.0 |]) |> ignore)

[<Test>]
let ``the gradient of a tensor with respect to itself is the seed`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0 |]
    equal [| 1.0; 1.0 |] (Gradient.Of(x, x).ToArray())
    equal [| 3.0; 4.0 |] (Gradient.Of(x, x, vector [| 3.0; 4.0 |]).ToArray())

[<Test>]
let ``a tensor that nothing depends on has a gradient of zeros`` () =
    use scope = MemoryScope.Enter()
    let x, other = vector [| 1.0; 2.0 |], Tensor.Filled(device, Shape(3, 2), 7.0)
    let later = vector [| 5.0 |]
    let y = (x * 3.0).Sum()
    let after = y * 2.0
    let found = gradients y [| x; other; later; after |]
    equal [| 3.0; 3.0 |] (found[0].ToArray())
    equal (Shape(3, 2)) found[1].Shape
    equal (Array.zeroCreate<float> 6) (found[1].ToArray())
    equal [| 0.0 |] (found[2].ToArray())
    equal [| 0.0 |] (found[3].ToArray())

[<Test>]
let ``a tensor may be asked for twice`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0 |]
    let found = gradients (x.Square()) [| x; x |]
    equal (found[0].ToArray()) (found[1].ToArray())
    equal [| 2.0; 4.0 |] (found[0].ToArray())

[<Test>]
let ``gradients with respect to intermediate tensors stop there`` () =
    // The parameter belongs to no scope, and nobody asked for its gradient.
    let parameter = vector [| 0.5; -0.25 |]

    let chains: (string * (Tensor -> Tensor)) list =
        [ "Exp", fun p -> p.Exp()
          "Affine", fun p -> 2.0 * p
          "Reshape", fun p -> p.Reshape(Shape(2, 1))
          "BroadcastTo", fun p -> p.BroadcastTo(Shape(3, 2))
          "Sum", fun p -> p.Sum()
          "Multiply", fun p -> p * p ]

    use scope = MemoryScope.Enter()

    for name, chain in chains do
        let z = chain parameter
        let y = z.Square()
        close name 1e-15 (z.ToArray() |> Array.map (fun v -> 2.0 * v)) (Gradient.Of(y, z).ToArray())
        // Both together: through z, and z itself.
        let found = gradients y [| z; parameter |]
        close name 1e-15 (z.ToArray() |> Array.map (fun v -> 2.0 * v)) (found[0].ToArray())
        equal parameter.Shape found[1].Shape
        holds $"the gradient of {name} reaches the parameter" (found[1].ToArray() |> Array.exists ((<>) 0.0))

[<Test>]
let ``nothing is computed for what is not wanted`` () =
    let weight, bias = Tensor.Filled(device, Shape(4, 3), 0.1), Tensor.Filled(device, Shape 4, 0.2)
    use scope = MemoryScope.Enter()
    let x = Tensor.Filled(device, Shape(5, 3), 0.3)
    let y = x.Linear(weight, bias, Activation.Tanh).Sum()
    let before = scope.Count
    Gradient.Of(y, x) |> ignore
    let made = [ for i in before .. scope.Count - 1 -> scope.TensorAt(i).Shape ]
    holds "some tensors are made" (not made.IsEmpty)

    holds
        "no gradient of the weights or biases is among them"
        (not (List.contains weight.Shape made || List.contains bias.Shape made))
    // The check itself can see such a gradient.
    Gradient.Of(y, weight) |> ignore

    holds
        "the gradient of the weights is seen"
        (List.contains weight.Shape [ for i in before .. scope.Count - 1 -> scope.TensorAt(i).Shape ])

[<Test>]
let ``a parameter changed since it was used is refused where its old value is needed, and only there`` () =
    let weight = vector [| 2.0; 3.0 |]
    use scope = MemoryScope.Enter()
    let x = vector [| 5.0; 7.0 |]
    let y = (x * weight).Sum()
    weight.Assign(vector [| 100.0; 100.0 |])
    // ∂y/∂weight = x needs no weight; ∂y/∂x = weight does.
    equal [| 5.0; 7.0 |] (Gradient.Of(y, weight).ToArray())
    throws<ScopeException> [ "Multiply"; "[2]"; "changed" ] (fun () -> Gradient.Of(y, x) |> ignore)
    // After the refusal everything goes on as before.
    equal [| 100.0; 100.0 |] (Gradient.Of((x * weight).Sum(), x).ToArray())

[<Test>]
let ``a parameter changed behind a reshaped view is noticed`` () =
    let weight = vector [| 2.0; 3.0 |]
    use scope = MemoryScope.Enter()
    let view = weight.Reshape(Shape(1, 2))
    let x = Tensor.Filled(device, Shape(1, 2), 1.0)
    let y = x * view
    weight.Assign(vector [| 4.0; 5.0 |])
    throws<ScopeException> [ "Multiply"; "[1, 2]"; "changed" ] (fun () -> Gradient.Of(y, x) |> ignore)

[<Test>]
let ``only leaves are changed in place`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0 |]
    x.Assign(vector [| 2.0 |])
    equal 2.0 (x.ToDouble())
    throws<ScopeException> [ "Assign"; "computed" ] (fun () -> (x.Exp()).Assign x)
    throws<ScopeException> [ "Assign" ] (fun () -> (x.Reshape(Shape(1, 1))).Assign(x.Reshape(Shape(1, 1))))

[<Test>]
let ``tensors of outer scopes are differentiated through`` () =
    let parameter = vector [| 0.5 |]
    use outer = MemoryScope.Enter()
    let x = vector [| 2.0 |]
    let z = x.Square() * parameter
    use middle = MemoryScope.Enter()
    let doubled = 2.0 * z
    use inner = MemoryScope.Enter()
    let y = (doubled * doubled).Sum()
    // y = (2 p x²)²: dy/dz = 8 z, dy/dx = 16 p² x³, dy/dp = 8 p x⁴.
    let found = gradients y [| z; x; parameter; doubled |]
    equal [| 16.0 |] (found[0].ToArray())
    equal [| 32.0 |] (found[1].ToArray())
    equal [| 64.0 |] (found[2].ToArray())
    equal [| 8.0 |] (found[3].ToArray())
    // The differentiated tensor may itself belong to an outer scope.
    equal [| 2.0 |] (Gradient.Of(z, x).ToArray())
    // And so may second derivatives: d²z/dx² = 2 p.
    equal [| 1.0 |] (Gradient.Of(Gradient.Of(z, x, createGraph = true), x).ToArray())

[<Test>]
let ``a gradient is recorded only where asked for`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 3.0 |]
    let y = x.Square() * x
    let plain = Gradient.Of(y, x)
    let recorded = Gradient.Of(y, x, createGraph = true)
    equal [| 27.0 |] (plain.ToArray())
    equal [| 27.0 |] (recorded.ToArray())
    equal [| 0.0 |] (Gradient.Of(plain, x).ToArray())
    equal [| 18.0 |] (Gradient.Of(recorded, x).ToArray())
    // Recording goes on after both.
    equal [| 6.0 |] (Gradient.Of(x.Square(), x).ToArray())

[<Test>]
let ``what cannot be differentiated is refused`` () =
    let owned = vector [| 1.0 |]
    throws<ScopeException> [ "Gradient"; "MemoryScope.Enter" ] (fun () -> Gradient.Of(owned.Exp(), owned) |> ignore)
    throws<ScopeException> [ "Gradient"; "undefined" ] (fun () -> Gradient.Of(Tensor(), owned) |> ignore)
    use scope = MemoryScope.Enter()
    let y = owned.Exp()
    throws<ScopeException> [ "Gradient"; "undefined" ] (fun () -> Gradient.Of(y, Tensor()) |> ignore)
    throws<ShapeException> [ "Gradient"; "1"; "2" ] (fun () -> Gradient.Of(y, [| owned |], Array.zeroCreate<Tensor> 2))

[<Test>]
let ``handles from an ended scope are refused, not taken for the tensors now in their place`` () =
    let stale =
        use scope = MemoryScope.Enter()
        vector [| 1.0 |]

    use scope = MemoryScope.Enter()
    let x = vector [| 2.0 |]
    let y = x.Exp()
    throws<ScopeException> [ "Gradient"; "ended" ] (fun () -> Gradient.Of(y, stale) |> ignore)
    throws<ScopeException> [ "Gradient"; "ended" ] (fun () -> Gradient.Of(stale, x) |> ignore)
    equal [| exp 2.0 |] (Gradient.Of(y, x).ToArray())

[<Test>]
let ``an exception while differentiating leaves no trace`` () =
    let weight = vector [| 2.0 |]
    use scope = MemoryScope.Enter()
    let x = vector [| 3.0 |]
    let y = x * weight
    weight.Assign(vector [| 9.0 |])

    for _ in 1..3 do
        throws<ScopeException> [ "changed" ] (fun () -> Gradient.Of(y, x, createGraph = true) |> ignore)

    let z = x.Square()
    equal [| 6.0 |] (Gradient.Of(z, x).ToArray())

[<Test>]
let ``long chains need no deep stack`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 1.0 |]
    let mutable y = x

    for _ in 1..20000 do
        y <- y * 1.0001

    near 1e-9 (Math.Pow(1.0001, 20000.0)) (Gradient.Of(y, x).ToDouble())

[<Test>]
let ``finite differences of a known function`` () =
    // f = x₀² x₁ + e^x₁ at (3, -1): (2 x₀ x₁, x₀² + e^x₁). Central differences with a step of 1e-5 are good to about 1e-10.
    let f (x: Tensor) =
        let first, second =
            Tensor.Create(device, Shape 2, [| 1.0; 0.0 |]), Tensor.Create(device, Shape 2, [| 0.0; 1.0 |])

        let a, b = (x * first).Sum(), (x * second).Sum()
        a.Square() * b + b.Exp()

    let x = vector [| 3.0; -1.0 |]
    close "gradient" 1e-9 [| -6.0; 9.0 + exp -1.0 |] (FiniteDifference.Gradient(f, x))
    equal [| 3.0; -1.0 |] (x.ToArray())
