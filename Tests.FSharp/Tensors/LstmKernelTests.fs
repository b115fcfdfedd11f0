/// One step of a long short-term memory, its adjoint, and the derivatives of both along a direction: against the reference device, with any number of threads, and row by row.
module GapLab.Tests.Tensors.LstmKernelTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

/// Everything that the four kernels leave behind, one after the other, each from given numbers: a batch of rows with two samples of each sequence, or without shared inputs.
let private work (device: Device) repeat (rows: int[]) size =
    let all = 38

    let part width seed =
        let x = ordinary seed (all * width)
        rows |> Array.collect (fun r -> x[r * width .. (r + 1) * width - 1])

    let elementType = if device.Real = F64 then F64 else F32
    let buffer values = new Buffer(device, elementType, values)
    let count = rows.Length
    let wide, narrow = part (4 * size), part size

    let shared =
        let x = ordinary 99 (all * 4 * size)

        rows
        |> Array.map (fun r -> r / repeat)
        |> Array.distinct
        |> Array.collect (fun r -> x[4 * r * size .. 4 * (r + 1) * size - 1])

    let gates, inputs, shift = buffer (wide 1), buffer shared, buffer (wide 2)
    let cell, next, hidden = buffer (narrow 3), buffer (narrow 4), buffer (narrow 5)
    let g, dHidden, dNext = buffer (narrow 6), buffer (narrow 7), buffer (narrow 8)
    let dGates, dCell = buffer (wide 9), buffer (narrow 10)
    let direction, tGates = buffer (wide 11), buffer (wide 12)
    let tCell, tNext, tHidden = buffer (narrow 13), buffer (narrow 14), buffer (narrow 15)
    let tdHidden, tdNext = buffer (narrow 16), buffer (narrow 17)
    let tdGates, tdCell = buffer (wide 18), buffer (narrow 19)
    let s (b: Buffer) = b.Storage

    device.LstmStep(s gates, s inputs, repeat, s shift, s cell, s next, s hidden, count, size)
    device.LstmStepAdjoint(s gates, s cell, s next, s g, s dHidden, s dNext, s dGates, s dCell, count, size)
    device.LstmStepTangent(s gates, s cell, s next, s direction, s tGates, s tCell, s tNext, s tHidden, count, size)

    device.LstmStepAdjointTangent(
        s gates,
        s cell,
        s next,
        s dHidden,
        s dNext,
        s tGates,
        s tCell,
        s tNext,
        s tdHidden,
        s tdNext,
        s tdGates,
        s tdCell,
        count,
        size
    )

    let results = [ gates; next; hidden; dHidden; dNext; dGates; dCell; tGates; tNext; tHidden; tdGates; tdCell ]
    let values = results |> List.map _.Values

    for used in results @ [ inputs; shift; cell; g; direction; tCell; tdHidden; tdNext ] do
        (used :> IDisposable).Dispose()

    values

[<Test>]
let ``a step and its derivatives agree with the reference`` () =
    for size in [ 1; 2; 15; 16; 17; 33 ] do
        for repeat in [ 1; 2 ] do
            let rows = [| 0..3 |]

            for exact, obtained in List.zip (work reference repeat rows size) (work cpu repeat rows size) do
                // Products of numbers below about 5 that depend on up to three roundings of activations each.
                let bounds = exact |> Array.map (fun v -> 100.0 * epsilon * (abs v + 1.0))
                requireWithin $"size {size}" bounds exact obtained

[<Test>]
let ``what has length 0 adds nothing`` () =
    for device in [ reference; cpu ] do
        let step (inputs: float[]) (shift: float[]) =
            use gates = new Buffer(device, device.Real, ordinary 1 8)
            use x = new Buffer(device, device.Real, inputs)
            use s = new Buffer(device, device.Real, shift)
            use cell = new Buffer(device, device.Real, ordinary 2 2)
            use next = new Buffer(device, device.Real, [| nan; nan |])
            use hidden = new Buffer(device, device.Real, [| nan; nan |])
            device.LstmStep(gates.Storage, x.Storage, 1, s.Storage, cell.Storage, next.Storage, hidden.Storage, 1, 2)
            next.Values, hidden.Values

        equal (step (Array.zeroCreate 8) (Array.zeroCreate 8)) (step [||] [||])

[<Test>]
let ``results have the same bits with any number of threads, and row by row`` () =
    let size = 301
    let all = work cpu 2 [| 0..37 |] size
    let one = withThreads 1 (fun () -> work cpu 2 [| 0..37 |] size)

    for threads in [ 2; 3 ] do
        for a, b in List.zip one (withThreads threads (fun () -> work cpu 2 [| 0..37 |] size)) do
            equal (bits a) (bits b)

    // The two samples of a sequence alone.
    for batch, alone in List.zip all (work cpu 2 [| 10; 11 |] size) do
        let width = batch.Length / 38
        equal (bits batch[10 * width .. 12 * width - 1]) (bits alone)
