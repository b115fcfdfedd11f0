module GapLab.Tests.Optimization.AdamTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private vector (device: Device) (values: float[]) = Tensor.Create(device, Shape values.Length, values)

/// Kingma and Ba (2015), algorithm 1, as ascent, in float64; the gradients of all steps, the point after each.
let private byHand (options: AdamOptions) (gradients: float[] list) (start: float[]) =
    let m, v, p = Array.map (fun _ -> 0.0) start, Array.map (fun _ -> 0.0) start, Array.copy start

    gradients
    |> List.mapi (fun t g ->
        for i in 0 .. p.Length - 1 do
            m[i] <- options.Beta1 * m[i] + (1.0 - options.Beta1) * g[i]
            v[i] <- options.Beta2 * v[i] + (1.0 - options.Beta2) * g[i] * g[i]
            let mHat = m[i] / (1.0 - Math.Pow(options.Beta1, float (t + 1)))
            let vHat = v[i] / (1.0 - Math.Pow(options.Beta2, float (t + 1)))
            p[i] <- p[i] + options.LearningRate * mHat / (sqrt vHat + options.Epsilon)

        Array.copy p)

let private gradientsOf (random: Random) steps size =
    List.init steps (fun _ -> Array.init size (fun _ -> float (float32 (random.NextDouble() * 4.0 - 2.0))))

[<Property(MaxTest = 20)>]
let ``Adam follows its formula`` (seed: int) =
    let random = Random seed
    let start = Array.init 37 (fun _ -> float (float32 (random.NextDouble() - 0.5)))
    let gradients = gradientsOf random 12 start.Length

    for options in [ AdamOptions(); AdamOptions(LearningRate = 0.02, Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-4) ] do
        // float32: twelve steps, each rounded at the size of p and of a step.
        for device: Device, tolerance in [ ReferenceDevice.Instance :> Device, 1e-13; CpuDevice.Instance, 2e-6 ] do
            let p = vector device start
            let adam = Adam([ p ], options)

            for gradient, expected in List.zip gradients (byHand options gradients start) do
                adam.Ascend(ReadOnlySpan [| vector device gradient |])
                close $"Adam on {device}" tolerance expected (p.ToArray())

[<Test>]
let ``the first step is the learning rate along the gradient's sign, shortened by epsilon`` () =
    // m̂ = g and √v̂ = |g| after one step: p + rate · g / (|g| + ε).
    let p = vector ReferenceDevice.Instance [| 1.0; 1.0; 1.0 |]
    let adam = Adam([ p ], AdamOptions(LearningRate = 0.1, Epsilon = 1.0))
    adam.Ascend(ReadOnlySpan [| vector ReferenceDevice.Instance [| 3.0; -1.0; 0.0 |] |])
    close "p" 1e-14 [| 1.075; 0.95; 1.0 |] (p.ToArray())

[<Test>]
let ``after a reset Adam is as new`` () =
    let device = ReferenceDevice.Instance
    let gradients = gradientsOf (Random 4) 6 5
    let p = vector device (Array.zeroCreate 5)
    let adam = Adam([ p ], AdamOptions())

    for g in gradients do
        adam.Ascend(ReadOnlySpan [| vector device g |])

    let middle = p.ToArray()
    adam.Reset()

    for g in gradients do
        adam.Ascend(ReadOnlySpan [| vector device g |])

    close "p" 1e-15 (List.last (byHand (AdamOptions()) gradients middle)) (p.ToArray())

[<Test>]
let ``the learning rate can change between steps`` () =
    let device = ReferenceDevice.Instance
    let p = vector device [| 0.0 |]
    let adam = Adam([ p ], AdamOptions(LearningRate = 0.1, Epsilon = 0.0))
    equal 0.1 adam.LearningRate
    adam.LearningRate <- 0.25
    adam.Ascend(ReadOnlySpan [| vector device [| 2.0 |] |])
    near 1e-14 0.25 (p.ToDouble())
    adam.LearningRate <- 0.0
    adam.Ascend(ReadOnlySpan [| vector device [| 2.0 |] |])
    near 1e-14 0.25 (p.ToDouble())

[<Test>]
let ``Adam climbs a hill`` () =
    // f = -(p - 3)² has its top at 3.
    let p = vector ReferenceDevice.Instance [| 0.0 |]
    let adam = Adam([ p ], AdamOptions(LearningRate = 0.05))

    for _ in 1..1000 do
        use scope = MemoryScope.Enter()
        adam.Ascend(ReadOnlySpan [| Gradient.Of(-(p - 3.0).Square().Sum(), p) |])

    near 1e-3 3.0 (p.ToDouble())

[<Test>]
let ``gradients must fit the parameters`` () =
    let device = ReferenceDevice.Instance
    let p = vector device [| 0.0; 1.0 |]
    let adam = Adam([ p ], AdamOptions())

    throws<ShapeException> [ "Adam"; "[3]"; "[2]" ] (fun () ->
        adam.Ascend(ReadOnlySpan [| vector device [| 1.0; 1.0; 1.0 |] |]))

    throws<ShapeException> [ "Adam"; "0"; "1" ] (fun () -> adam.Ascend(ReadOnlySpan<Tensor>()))

    throws<DeviceMismatchException> [ "Adam"; "cpu"; "reference" ] (fun () ->
        adam.Ascend(ReadOnlySpan [| vector CpuDevice.Instance [| 1.0; 1.0 |] |]))

[<Test>]
let ``a refused step changes nothing`` () =
    let device = ReferenceDevice.Instance
    let p, q = vector device [| 0.0 |], vector device [| 0.0 |]
    let adam = Adam([ p; q ], AdamOptions(LearningRate = 0.1, Epsilon = 0.0))

    throws<ShapeException> [ "Adam" ] (fun () ->
        adam.Ascend(ReadOnlySpan [| vector device [| 1.0 |]; vector device [| 1.0; 2.0 |] |]))

    equal 0.0 (p.ToDouble())
    // The next step is the first: 0.1 exactly, whatever the gradient's size.
    adam.Ascend(ReadOnlySpan [| vector device [| 5.0 |]; vector device [| -5.0 |] |])
    near 1e-14 0.1 (p.ToDouble())
    near 1e-14 -0.1 (q.ToDouble())

[<Test>]
let ``updating a parameter makes gradients that need its old value fail`` () =
    let device = ReferenceDevice.Instance
    let p = vector device [| 2.0 |]
    let adam = Adam([ p ], AdamOptions())
    use scope = MemoryScope.Enter()
    let x = vector device [| 3.0 |]
    let y = p * x
    adam.Ascend(ReadOnlySpan [| Gradient.Of(y, p) |])
    throws<ScopeException> [ "Multiply"; "changed" ] (fun () -> Gradient.Of(y, x) |> ignore)
