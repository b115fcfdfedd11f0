module GapLab.Tests.Differentiation.HessianVectorProductTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

let private products (y: Tensor) (u: Tensor[]) (v: Tensor[]) (w: Tensor[]) =
    let gradients, found = Array.zeroCreate<Tensor> u.Length, Array.zeroCreate<Tensor> w.Length
    HessianVectorProduct.Of(y, u, v, w, gradients, found)
    gradients, found

[<Test>]
let ``a quadratic form has its matrix as Hessian`` () =
    use scope = MemoryScope.Enter()
    // f = ½ xᵀ A x: gradient A x, product A v.
    let a = Tensor.Create(device, Shape(2, 2), [| 2.0; 1.0; 1.0; 3.0 |])
    let x, v = Tensor.Create(device, Shape(1, 2), [| 5.0; 7.0 |]), Tensor.Create(device, Shape(1, 2), [| 1.0; -1.0 |])
    let gradients, found = products (0.5 * (x.MatMul a * x).Sum()) [| x |] [| v |] [| x; a |]
    equal [| 17.0; 26.0 |] (gradients[0].ToArray())
    equal [| 1.0; -2.0 |] (found[0].ToArray())
    // ∂/∂A of ½ (v A xᵀ + x A vᵀ).
    equal [| 5.0; 1.0; 1.0; -7.0 |] (found[1].ToArray())

[<Test>]
let ``directions must fit their tensors`` () =
    use scope = MemoryScope.Enter()
    let x = Tensor.Filled(device, Shape 2, 1.0)
    let y = x.Square().Sum()

    throws<ShapeException> [ "HessianVectorProduct"; "[3]"; "[2]" ] (fun () ->
        products y [| x |] [| Tensor.Filled(device, Shape 3, 1.0) |] [| x |] |> ignore)

    throws<ShapeException> [ "HessianVectorProduct"; "1"; "0" ] (fun () -> products y [| x |] [||] [| x |] |> ignore)

/// The ELBO of a small network written out in tensor operations: μ, log σ² [B, n]; W₁, b₁, W₂, b₂; for data x [B, D] and noise [B, S, n].
let private elbo (activation: Activation) (x: Tensor) (noise: Tensor) (p: Tensor[]) =
    let b, n = p[0].Shape[0], p[0].Shape[1]
    let mu, logVar = p[0].Reshape(Shape(b, 1, n)), p[1].Reshape(Shape(b, 1, n))
    let z = mu + (0.5 * logVar).Exp() * noise
    let logits = z.Linear(p[2], p[3], activation).Linear(p[4], p[5])
    let kl = 0.5 * (logVar.Exp() + mu.Square() - 1.0 - logVar).Sum(-1, ElementType.Float64)
    logits.BernoulliLogLikelihood(x).Mean(1) - kl.Mean(1)

[<Property(MaxTest = 20)>]
let ``products of an ELBO's Hessian are central differences of its gradients`` (seed: int) =
    use scope = MemoryScope.Enter()
    let random = Random seed

    let b, s, n, hidden, d =
        random.Next(1, 4), random.Next(1, 4), random.Next(1, 4), random.Next(1, 5), random.Next(1, 7)

    let activation = [| Activation.Tanh; Activation.Sigmoid; Activation.Identity |][random.Next 3]

    let point =
        [| [| b; n |]; [| b; n |]; [| hidden; n |]; [| hidden |]; [| d; hidden |]; [| d |] |]
        |> Array.map (operand random)

    let direction = point |> Array.map (fun o -> operand random o.Sizes)
    let x = Tensor.Create(device, Shape(b, d), Array.init (b * d) (fun _ -> float (random.Next 2)))
    let noise = tensor (operand random [| b; s; n |])
    let f = elbo activation x noise
    let p = Array.map tensor point

    // All second derivatives along a direction of λ alone, and of λ and θ together.
    for directed in [ 2; 6 ] do
        let v = direction |> Array.take directed |> Array.map tensor
        let gradients, found = products (f p) (Array.take directed p) v p
        let h = 1e-5

        let gradientsAt sign =
            let moved = p |> Array.mapi (fun i t -> if i < directed then t + sign * h * v[i] else t)
            let found = Array.zeroCreate<Tensor> moved.Length
            Gradient.Of(f moved, moved, found)
            found |> Array.map _.ToArray()

        let above, below = gradientsAt 1.0, gradientsAt -1.0
        let plain = Array.zeroCreate<Tensor> directed
        Gradient.Of(f p, Array.take directed p, plain)

        for i in 0 .. directed - 1 do
            close $"gradient {i}" 1e-12 (plain[i].ToArray()) (gradients[i].ToArray())

        for i in 0 .. p.Length - 1 do
            close
                $"product {i}"
                tolerance
                (Array.map2 (fun a b -> (a - b) / (2.0 * h)) above[i] below[i])
                (found[i].ToArray())

[<Property(MaxTest = 10)>]
let ``the Hessian is symmetric`` (seed: int) =
    use scope = MemoryScope.Enter()
    let random = Random seed
    let point = [| [| 2; 2 |]; [| 2; 2 |]; [| 3; 2 |]; [| 3 |]; [| 4; 3 |]; [| 4 |] |] |> Array.map (operand random)
    let x = Tensor.Create(device, Shape(2, 4), Array.init 8 (fun _ -> float (random.Next 2)))
    let p = Array.map tensor point
    let f () = elbo Activation.Elu x (tensor (operand (Random 1) [| 2; 3; 2 |])) p

    let v, w =
        Array.map (fun t -> tensor (operand random t.Sizes)) point,
        Array.map (fun t -> tensor (operand random t.Sizes)) point

    let inner (a: Tensor[]) (b: Tensor[]) =
        Array.map2 (fun (s: Tensor) (t: Tensor) -> (s * t).Sum().ToDouble()) a b |> Array.sum

    let hv, hw = snd (products (f ()) p v p), snd (products (f ()) p w p)
    let expected = inner w hv
    near (1e-10 * (1.0 + abs expected)) expected (inner v hw)

[<Test>]
let ``products on the CPU device are those of the reference device`` () =
    use scope = MemoryScope.Enter()
    let random = Random 5

    let point =
        [| [| 3; 4 |]; [| 3; 4 |]; [| 17; 4 |]; [| 17 |]; [| 33; 17 |]; [| 33 |] |] |> Array.map (operand random)

    let direction = point |> Array.map (fun o -> operand random o.Sizes)
    let noise = operand random [| 3; 5; 4 |]
    let pixels = { Sizes = [| 3; 33 |]; Values = Array.init 99 (fun _ -> float (random.Next 2)) }

    let on (device: Device) =
        let make o = Tensor.Create(device, Shape o.Sizes, o.Values)
        let p = Array.map make point

        let gradients, found =
            products (elbo Activation.Elu (make pixels) (make noise) p) p (Array.map make direction) p

        Array.append gradients found |> Array.map _.ToArray()

    // float32 sums of up to a few hundred terms.
    for expected, obtained in Array.zip (on device) (on CpuDevice.Instance) do
        close "CPU against reference" 2e-5 expected obtained
