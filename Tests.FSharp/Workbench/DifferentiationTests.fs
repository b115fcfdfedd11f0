module GapLab.Tests.Workbench.DifferentiationTests

open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Reference
open GapLab.Workbench.Differentiation
open GapLab.Tests.Checks

let private device = ReferenceDevice.Instance

let private vector (values: float list) = Tensor.Create(device, Shape [| values.Length |], List.toArray values)

let private near (expected: float list) (actual: Tensor) =
    Assert.That(actual.ToArray(), Is.EqualTo<float>(List.toArray expected).Within 1e-12)

// f(x) = Σ x³ : gradient 3x², Hessian diag(6x).
let private cubes (x: Tensor) = (x.Square() * x).Sum()

// g(x) = [x₀ x₁; x₀²] : Jacobian [[x₁, x₀], [2x₀, 0]].
let private products (x: Tensor) =
    let pick values = vector values
    let x0 = (x * pick [ 1.; 0. ]).Sum(0)
    let x1 = (x * pick [ 0.; 1. ]).Sum(0)
    let first = (x0 * x1).Reshape(Shape [| 1 |]) * pick [ 1.; 0. ]
    let second = x0.Square().Reshape(Shape [| 1 |]) * pick [ 0.; 1. ]
    first + second

[<Test>]
let ``grad, fgrad and gradv of a cubic`` () =
    use _ = MemoryScope.Enter()
    let x = vector [ 1.; -2.; 0.5 ]
    grad cubes x |> near [ 3.; 12.; 0.75 ]
    let value, _ = fgrad cubes x
    Assert.That(value.ToDouble(), Is.EqualTo(1. - 8. + 0.125).Within 1e-12)
    Assert.That((gradv cubes x (vector [ 1.; 1.; 2. ])).ToDouble(), Is.EqualTo(16.5).Within 1e-12)

[<Test>]
let ``hessian and hessianv of a cubic`` () =
    use _ = MemoryScope.Enter()
    let x = vector [ 1.; -2.; 0.5 ]
    hessianv cubes x (vector [ 1.; 1.; 2. ]) |> near [ 6.; -12.; 6. ]
    let expected = array2D [ [ 6.; 0.; 0. ]; [ 0.; -12.; 0. ]; [ 0.; 0.; 3. ] ]
    Assert.That((hessian cubes x = expected), Is.True)

[<Test>]
let ``jacobian, jacobianv and jacobianTv of two products`` () =
    use _ = MemoryScope.Enter()
    let x = vector [ 3.; 5. ]
    Assert.That((jacobian products x = array2D [ [ 5.; 3. ]; [ 6.; 0. ] ]), Is.True)
    jacobianv products x (vector [ 1.; 10. ]) |> near [ 35.; 6. ]
    jacobianTv products x (vector [ 1.; 10. ]) |> near [ 65.; 3. ]

[<Test>]
let ``numericalGrad agrees with grad`` () =
    use _ = MemoryScope.Enter()
    let x = vector [ 1.; -2.; 0.5 ]
    let exact = (grad cubes x).ToArray()
    Assert.That((numericalGrad 1e-5 cubes x).ToArray(), Is.EqualTo<float>(exact).Within 1e-8)

[<Test>]
let ``derivatives nest, inside a scope and outside any`` () =
    // d/dx Σ 3x² = 6x; three times: 6.
    let nested (x: Tensor) = grad (fun x -> (grad cubes x).Sum()) x
    let thrice (x: Tensor) = grad (fun x -> (nested x).Sum()) x
    nested (vector [ 2.; -1. ]) |> near [ 12.; -6. ]
    thrice (vector [ 2.; -1. ]) |> near [ 6.; 6. ]
    use _ = MemoryScope.Enter()
    nested (vector [ 2.; -1. ]) |> near [ 12.; -6. ]

[<Test>]
let ``what a function captures of the point is a constant to it`` () =
    let x = vector [ 3. ]
    grad (fun y -> (x * y).Sum()) x |> near [ 3. ]
    // d/dx of x² = 2x, where the inner derivative is with respect to y alone.
    grad (fun x -> (grad (fun y -> (x * x * y).Sum()) x).Sum()) x |> near [ 6. ]
    // H(y³) x = 6 y x; its derivative at y = x = 3 with respect to both: 6 x + 6 x.
    grad (fun x -> (hessianv (fun y -> (y * y * y).Sum()) x x).Sum()) x |> near [ 36. ]
    grad id x |> near [ 1. ]

[<Test>]
let ``a function that is not scalar has no gradient`` () =
    throws<ShapeException> [ "[2]"; "jacobianTv" ] (fun () -> grad products (vector [ 1.; 2. ]) |> ignore)

[<Test>]
let ``without a scope the results belong to the garbage collector`` () =
    let gradient = grad cubes (vector [ 2. ])
    System.GC.Collect()
    gradient |> near [ 12. ]
