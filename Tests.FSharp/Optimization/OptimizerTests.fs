/// What all optimisers share, and gradient ascent with momentum.
module GapLab.Tests.Optimization.OptimizerTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private vector (device: Device) (values: float[]) = Tensor.Create(device, Shape values.Length, values)

[<Test>]
let ``Sgd with momentum follows m <- 0.5 m + g, p <- p + 0.1 m`` () =
    for device in [ ReferenceDevice.Instance :> Device; CpuDevice.Instance ] do
        let p = vector device (Array.create 37 1.0)
        let sgd = Sgd([ p ], 0.1, 0.5)

        // m: 2, then 0.5 * 2 - 4 = -3; p: 1.2, then 0.9.
        for gradient, expected in [ 2.0, 1.2; -4.0, 0.9 ] do
            sgd.Ascend(ReadOnlySpan [| vector device (Array.create 37 gradient) |])
            close $"p on {device}" 1e-6 (Array.create 37 expected) (p.ToArray())

        sgd.Reset()
        sgd.Ascend(ReadOnlySpan [| vector device (Array.create 37 1.0) |])
        close $"p on {device} after a reset" 1e-6 (Array.create 37 1.0) (p.ToArray())

[<Test>]
let ``RmsProp follows v <- 0.9 v + 0.1 g^2, p <- p + 0.1 g / (sqrt v + 0.5)`` () =
    for device in [ ReferenceDevice.Instance :> Device; CpuDevice.Instance ] do
        let p = vector device (Array.create 37 1.0)
        let rms = RmsProp([ p ], 0.1, 0.9, 0.5)
        let mutable v, expected = 0.0, 1.0

        for gradient in [ 2.0; -4.0; 1.0 ] do
            v <- 0.9 * v + 0.1 * gradient * gradient
            expected <- expected + 0.1 * gradient / (sqrt v + 0.5)
            rms.Ascend(ReadOnlySpan [| vector device (Array.create 37 gradient) |])
            close $"p on {device}" 1e-6 (Array.create 37 expected) (p.ToArray())

/// Parameters of these sizes after three steps, updated together or each by an optimiser of its own.
let private threeSteps (make: Tensor list -> Optimizer) together =
    let sizes = [ 1; 17; 40_000; 3; 16; 9_999 ]
    let values lane n = Array.init n (fun i -> sin (float (i + lane)))
    let parameters = sizes |> List.mapi (fun lane n -> vector CpuDevice.Instance (values lane n))

    let groups = if together then [ parameters ] else parameters |> List.map List.singleton

    for group in groups do
        let optimizer = make group

        for step in 1..3 do
            let gradients = group |> List.map (fun p -> vector CpuDevice.Instance (values (100 * step) p.Count))
            optimizer.Ascend(ReadOnlySpan(List.toArray gradients))

    parameters |> List.map (fun p -> p.ToArray())

[<Test>]
let ``parameters updated in one pass get the bits they get alone, for one thread and two`` () =
    let before = WorkerPool.Threads

    try
        for make in
            [ fun group -> Adam(group, AdamOptions()) :> Optimizer
              fun group -> Sgd(group, 0.1, 0.9) ] do
            WorkerPool.Threads <- 1
            let alone = threeSteps make false
            equal alone (threeSteps make true)
            WorkerPool.Threads <- 2
            equal alone (threeSteps make true)
    finally
        WorkerPool.Threads <- before

[<Test>]
let ``a parameter named twice, or computed from others, is refused`` () =
    let p = vector CpuDevice.Instance [| 1.0; 2.0 |]
    throws<GapLabException> [ "Sgd"; "different tensors" ] (fun () -> Sgd([ p; p ], 0.1) |> ignore)
    use _ = MemoryScope.Enter()
    throws<GapLabException> [ "Adam"; "computed from others" ] (fun () -> Adam([ p * 2.0 ], AdamOptions()) |> ignore)

[<Test>]
let ``sums of gradients take each with its scale, and leave the others`` () =
    for device in [ ReferenceDevice.Instance :> Device; CpuDevice.Instance ] do
        use _ = MemoryScope.Enter()
        let parameters = [| vector device (Array.create 37 9.0); vector device (Array.create 5 9.0) |]
        let sums = GradientSums parameters
        let first, second = Array.init 37 float, Array.init 5 (fun i -> 0.5 - float i)
        sums.Add(0, ReadOnlySpan [| vector device first; vector device second |], 0.5)
        sums.Add(1, ReadOnlySpan [| vector device second |], -2.0)
        sums.Add(2, ReadOnlySpan<Tensor>.Empty, 3.0)
        let result = Array.zeroCreate<Tensor> 2
        sums.CopyTo(Span result)
        equal [| for g in first -> 0.5 * g |] (result[0].ToArray())
        equal [| for g in second -> 0.5 * g - 2.0 * g |] (result[1].ToArray())
        equal (Array.create 37 9.0) (parameters[0].ToArray())
        let add at (gradient: Tensor) () = sums.Add(at, ReadOnlySpan [| gradient |], 1.0)
        throws<ShapeException> [ "gradient 1"; "does not fit its parameter" ] (add 1 (vector device first))
        throws<ShapeException> [ "1 gradients from parameter 2 on do not fit 2" ] (add 2 (vector device second))

[<Test>]
let ``gradients that are scaled on the way move parameters as scaled ones do, to the bit`` () =
    for device in [ ReferenceDevice.Instance :> Device; CpuDevice.Instance ] do
        for make in
            [ fun p -> Adam([ p ], AdamOptions()) :> Optimizer
              fun p -> RmsProp([ p ], 0.1, 0.9, 0.5)
              fun p -> Sgd([ p ], 0.1)
              fun p -> Sgd([ p ], 0.1, 0.5) ] do
            // Adam does not see a factor that all gradients have.
            let path ascend =
                let p = vector device (Array.init 37 float)
                let optimizer: Optimizer = make p

                for step, factor in [ 1, 0.3; 2, 1.0; 3, 0.7 ] do
                    ascend optimizer factor (vector device (Array.init 37 (fun i -> sin (float (i * step)))))

                p.ToArray()

            let onTheWay = path (fun optimizer factor g -> optimizer.Ascend(ReadOnlySpan [| g |], factor))
            equal (path (fun optimizer factor g -> optimizer.Ascend(ReadOnlySpan [| factor * g |]))) onTheWay
            holds "the factor matters" (onTheWay <> path (fun optimizer _ g -> optimizer.Ascend(ReadOnlySpan [| g |])))
