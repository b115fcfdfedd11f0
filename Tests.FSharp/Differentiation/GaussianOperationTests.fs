/// The fused operations of diagonal Gaussians against their compositions and the reference device.
module GapLab.Tests.Differentiation.GaussianOperationTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private cpu = CpuDevice.Instance :> Device
let private reference = ReferenceDevice.Instance :> Device
let private stream = RandomStream(6UL, RandomPurpose.Test)

let private normal (device: Device) lane (sizes: int list) =
    Tensor
        .Normal(device, stream, ReadOnlySpan [| 0 |], 0, lane, Shape(List.toArray sizes))
        .Reshape(Shape(List.toArray sizes))

let private sizes =
    [ for b in [ 1; 3 ] do
          for s in [ 1; 7; 100 ] do
              for n in [ 1; 2; 15; 16; 17; 33; 50 ] do
                  b, s, n ]

let private inScope action =
    use _ = MemoryScope.Enter()
    action ()

let private gradients (y: Tensor) (wanted: Tensor[]) (seed: Tensor) =
    let result = Array.zeroCreate wanted.Length
    Gradient.Of(y, ReadOnlySpan wanted, Span result, seed)
    Array.append [| y.ToArray() |] (result |> Array.map (fun g -> g.ToArray()))

let private composedSample (mean: Tensor) (v: Tensor) (epsilon: Tensor) =
    let spread (t: Tensor) = t.Reshape(t.Shape[0], 1, t.Shape[1])
    spread mean + (0.5 * spread v).Exp() * epsilon

let private composedTerms (mean: Tensor) (v: Tensor) (p: float) (h: float) =
    let log2pi = log (2.0 * Math.PI)
    let f64 (t: Tensor) = t.Sum(-1, ElementType.Float64)
    let n = float mean.Shape[1]
    (f64 (v.Exp() + mean.Square()) + n * log2pi) * (-0.5 * p) + (f64 v + n * (1.0 + log2pi)) * (0.5 * h)

let private check device tolerance =
    for b, s, n in sizes do
        inScope (fun () ->
            let mean, v, epsilon = normal device 1 [ b; n ], normal device 2 [ b; n ], normal device 3 [ b; s; n ]
            let g = normal device 4 [ b; s; n ]
            let what = $"{device}: {b} x {s} x {n}"

            Array.iter2
                (close $"sample on {what}" tolerance)
                (gradients (composedSample mean v epsilon) [| mean; v; epsilon |] g)
                (gradients (mean.GaussianSample(v, epsilon)) [| mean; v; epsilon |] g)

            let w = (normal device 5 [ b ]).To ElementType.Float64

            for p, h in [ 1.0, 1.0; 1.0, 0.25; 0.5, 0.0 ] do
                Array.iter2
                    (close $"terms on {what}" tolerance)
                    (gradients (composedTerms mean v p h) [| mean; v |] w)
                    (gradients (mean.StandardGaussianTerms(v, p, h)) [| mean; v |] w))

[<Test>]
let ``samples and KL terms equal their compositions on the reference device`` () = check reference 1e-12

[<Test>]
let ``samples and KL terms equal their compositions on the CPU device`` () = check cpu 2e-6

[<Test>]
let ``the CPU device agrees with the reference device`` () =
    for b, s, n in sizes do
        inScope (fun () ->
            let results device =
                let mean, v, epsilon = normal device 1 [ b; n ], normal device 2 [ b; n ], normal device 3 [ b; s; n ]
                let sample = gradients (mean.GaussianSample(v, epsilon)) [| mean; v |] (normal device 4 [ b; s; n ])

                let terms =
                    gradients
                        (mean.StandardGaussianTerms(v, 1.0, 0.3))
                        [| mean; v |]
                        ((normal device 5 [ b ]).To ElementType.Float64)

                Array.append sample terms

            Array.iter2 (close $"{b} x {s} x {n}" 2e-6) (results reference) (results cpu))

[<Test>]
let ``minus the KL divergence of a Gaussian to itself is zero, and grows in known ways`` () =
    inScope (fun () ->
        let zero = Tensor.Filled(reference, Shape [| 1; 3 |], 0.0)
        close "KL(p, p)" 1e-14 [| 0.0 |] (zero.StandardGaussianTerms(zero).ToArray())
        // KL(N(2, 1) to N(0, 1)) = 2 for each of three components.
        close "shifted" 1e-14 [| -6.0 |] ((zero + 2.0).StandardGaussianTerms(zero).ToArray()))

[<Test>]
let ``both can be differentiated twice`` () =
    let products (f: Tensor -> Tensor -> Tensor -> Tensor) =
        use _ = MemoryScope.Enter()
        let mean, v, epsilon = normal reference 1 [ 2; 3 ], normal reference 2 [ 2; 3 ], normal reference 3 [ 2; 4; 3 ]
        let u = [| mean; v |]
        let direction = [| normal reference 7 [ 2; 3 ]; normal reference 8 [ 2; 3 ] |]
        let result = Array.zeroCreate 2

        HessianVectorProduct.Of(
            f mean v epsilon,
            ReadOnlySpan u,
            ReadOnlySpan direction,
            ReadOnlySpan u,
            Span(Array.zeroCreate 2),
            Span result
        )

        result |> Array.map (fun p -> p.ToArray())

    let pairs =
        [ (fun (m: Tensor) v e -> m.GaussianSample(v, e).Exp()), (fun m v e -> (composedSample m v e).Exp())
          (fun m v _ -> m.StandardGaussianTerms(v, 0.7, 0.4)), (fun m v _ -> composedTerms m v 0.7 0.4) ]

    for fused, composed in pairs do
        Array.iter2 (close "product" 1e-12) (products composed) (products fused)

[<Test>]
let ``shapes that do not fit are refused`` () =
    inScope (fun () ->
        let m, v = normal cpu 1 [ 2; 3 ], normal cpu 2 [ 2; 4 ]

        throws<ShapeException> [ "GaussianSample"; "[2, 4]" ] (fun () ->
            m.GaussianSample(v, normal cpu 3 [ 2; 5; 3 ]) |> ignore)

        throws<ShapeException> [ "GaussianSample"; "[3, 5, 3]" ] (fun () ->
            m.GaussianSample(m, normal cpu 3 [ 3; 5; 3 ]) |> ignore)

        throws<ShapeException> [ "StandardGaussianTerms"; "[2, 4]" ] (fun () -> m.StandardGaussianTerms(v) |> ignore))
