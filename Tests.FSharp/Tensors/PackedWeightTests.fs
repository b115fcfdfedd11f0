/// Products with packed weights, and the fused last layer of a Bernoulli decoder, on every device.
module GapLab.Tests.Tensors.PackedWeightTests

open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private cpu = CpuDevice.Instance :> Device
let private reference = ReferenceDevice.Instance :> Device
let private stream = RandomStream(5UL, RandomPurpose.Test)

let private normal (device: Device) lane (sizes: int list) =
    Tensor
        .Normal(device, stream, System.ReadOnlySpan [| 0 |], 0, lane, Shape(List.toArray sizes))
        .Reshape(Shape(List.toArray sizes))

let private pixels (device: Device) lane (sizes: int list) =
    let x = normal cpu lane sizes
    Tensor.Create(device, x.Shape, x.ToArray() |> Array.map (fun v -> if v > 0.3 then 1.0 else 0.0))

let private sizes =
    // datapoints, samples, features, pixels: around the widths of vectors and tiles, and several blocks of rows.
    [ 1, 1, 1, 1; 1, 20, 7, 15; 2, 3, 17, 16; 1, 24, 33, 31; 3, 25, 50, 33; 1, 100, 200, 784; 5, 7, 13, 100 ]

let private inScope action =
    use _ = MemoryScope.Enter()
    action ()

[<Test>]
let ``packed weights do not change a bit of a layer or of a gradient with respect to its input`` () =
    for _, rows, inputs, outputs in sizes do
        inScope (fun () ->
            let x, g = normal cpu 1 [ rows; inputs ], normal cpu 2 [ rows; outputs ]
            let w, b = (normal cpu 3 [ outputs; inputs ]).ToOwned(), normal cpu 4 [ outputs ]

            let results () =
                [| x.Linear(w, b, Activation.Elu).ToArray()
                   g.MatMul(w).ToArray()
                   x.MatMul(w, transposeOther = true).ToArray() |]

            let plain = results ()
            w.Pack()
            equalFor $"{rows}x{inputs}x{outputs}" plain (results ()))

[<Test>]
let ``a packed copy is not used after its weights have changed`` () =
    inScope (fun () ->
        let w = (normal cpu 3 [ 5; 4 ]).ToOwned()
        let x = normal cpu 1 [ 3; 4 ]
        w.Pack()
        w.Assign(Tensor.Filled(cpu, w.Shape, 0.0))
        equal (Array.zeroCreate 15) (x.MatMul(w, transposeOther = true).ToArray())
        w.Pack()
        equal (Array.zeroCreate 15) (x.MatMul(w, transposeOther = true).ToArray()))

/// Values and all gradients of the fused operation and of its composition.
let private fusedAndComposed (device: Device) pack (datapoints, samples, features, count) =
    let h = normal device 1 [ datapoints; samples; features ]
    let w, b = (normal device 3 [ count; features ]).ToOwned(), normal device 4 [ count ]
    let x = pixels device 5 [ datapoints; count ]
    let seed = Tensor.Create(device, Shape(datapoints, samples), (normal cpu 6 [ datapoints; samples ]).ToArray())
    let seed = seed.To ElementType.Float64

    if pack then
        w.Pack()

    let all (l: Tensor) =
        let gradients = Array.zeroCreate 3
        Gradient.Of(l, System.ReadOnlySpan [| h; w; b |], System.Span gradients, seed)
        Array.append [| l.ToArray() |] (gradients |> Array.map (fun g -> g.ToArray()))

    all (h.LinearBernoulliLogLikelihood(w, b, x)), all (h.Linear(w, b).BernoulliLogLikelihood x)

[<Test>]
let ``the fused last layer equals its composition, in value and gradients`` () =
    for size in sizes do
        for device, tolerance in [ reference, 1e-12; cpu, 2e-5 ] do
            for pack in [ false; true ] do
                inScope (fun () ->
                    let fused, composed = fusedAndComposed device pack size
                    Array.iter2 (close $"{device.Name} {size}" tolerance) composed fused)

[<Test>]
let ``the value of the fused last layer does not depend on the tape, on packing or on the number of threads`` () =
    let value record pack threads =
        let before = WorkerPool.Threads

        try
            WorkerPool.Threads <- threads
            use _ = MemoryScope.Enter(record)
            let h, b = normal cpu 1 [ 2; 125; 200 ], normal cpu 4 [ 784 ]
            let w = (normal cpu 3 [ 784; 200 ]).ToOwned()

            if pack then
                w.Pack()

            h.LinearBernoulliLogLikelihood(w, b, pixels cpu 5 [ 2; 784 ]).ToArray()
        finally
            WorkerPool.Threads <- before

    let expected = value true false 1

    for record, pack, threads in [ false, false, 1; true, true, 1; false, true, 1; true, true, 2; true, false, 2 ] do
        equalFor $"record {record}, pack {pack}, {threads} threads" expected (value record pack threads)

[<Test>]
let ``the form for gradients alone gives the same gradients bit for bit, and no values`` () =
    for datapoints, samples, features, count in sizes do
        for device in [ reference; cpu ] do
            for pack in [ false; true ] do
                inScope (fun () ->
                    let h = normal device 1 [ datapoints; samples; features ]
                    let w, b = (normal device 3 [ count; features ]).ToOwned(), normal device 4 [ count ]
                    let x = pixels device 5 [ datapoints; count ]

                    if pack then
                        w.Pack()

                    let gradients (l: Tensor) =
                        let gradients = Array.zeroCreate 3
                        Gradient.Of(l, System.ReadOnlySpan [| h; w; b |], System.Span gradients)
                        gradients |> Array.map (fun g -> g.ToArray())

                    let alone = h.LinearBernoulliLogLikelihood(w, b, x, gradientOnly = true)
                    let whole = h.LinearBernoulliLogLikelihood(w, b, x)
                    equalFor $"{device.Name} {count}" (gradients whole) (gradients alone)
                    Assert.That(alone.ToArray(), Is.All.NaN)
                    Assert.That(whole.ToArray(), Is.All.Not.NaN))

[<Test>]
let ``a sample's value does not depend on the other samples`` () =
    inScope (fun () ->
        let h, b = normal cpu 1 [ 1; 61; 50 ], normal cpu 4 [ 100 ]
        let w, x = (normal cpu 3 [ 100; 50 ]).ToOwned(), pixels cpu 5 [ 1; 100 ]
        w.Pack()
        let all = h.LinearBernoulliLogLikelihood(w, b, x).ToArray()

        for sample in [ 0; 23; 24; 60 ] do
            let alone = h.Reshape(61, 50).GatherRows(System.ReadOnlySpan [| sample |]).Reshape(1, 1, 50)
            equal [| all[sample] |] (alone.LinearBernoulliLogLikelihood(w, b, x).ToArray()))

[<Test>]
let ``the fused last layer can be differentiated twice`` () =
    inScope (fun () ->
        let h = normal reference 1 [ 1; 2; 3 ]
        let w, b, x = normal reference 3 [ 4; 3 ], normal reference 4 [ 4 ], pixels reference 5 [ 1; 4 ]
        let v = normal reference 7 [ 1; 2; 3 ]

        let products (l: Tensor) =
            let u, direction, wanted = [| h |], [| v |], [| h; w; b |]
            let products = Array.zeroCreate 3

            HessianVectorProduct.Of(
                l,
                System.ReadOnlySpan u,
                System.ReadOnlySpan direction,
                System.ReadOnlySpan wanted,
                System.Span(Array.zeroCreate 1),
                System.Span products
            )

            products |> Array.map (fun p -> p.ToArray())

        Array.iter2
            (close "product" 1e-12)
            (products (h.Linear(w, b).BernoulliLogLikelihood x))
            (products (h.LinearBernoulliLogLikelihood(w, b, x))))

[<Test>]
let ``shapes that do not fit are refused`` () =
    inScope (fun () ->
        let h, w, b, x = normal cpu 1 [ 1; 2; 3 ], normal cpu 3 [ 4; 3 ], normal cpu 4 [ 4 ], normal cpu 5 [ 1; 4 ]

        throws<ShapeException> [ "LinearBernoulliLogLikelihood"; "[4, 3]" ] (fun () ->
            h.LinearBernoulliLogLikelihood(w, b, x.Reshape(2, 2)) |> ignore)

        throws<ShapeException> [ "LinearBernoulliLogLikelihood" ] (fun () ->
            h.LinearBernoulliLogLikelihood(w, normal cpu 4 [ 3 ], x) |> ignore)

        throws<ShapeException> [ "LinearBernoulliLogLikelihood" ] (fun () ->
            h.Reshape(2, 3).LinearBernoulliLogLikelihood(w, b, x) |> ignore))
