/// Kernels of models of words against the reference device, with any number of threads, and row by row.
module GapLab.Tests.Tensors.WordKernelTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

let private ids seed count rows =
    let random = Random(seed: int)
    Array.init count (fun _ -> random.Next rows)

/// The same bits whatever the number of threads.
let private sameBits name (work: unit -> float[]) =
    let one = withThreads 1 work
    holds "all numbers are finite" (one |> Array.forall Double.IsFinite)

    for threads in [ 2; 3 ] do
        equalFor $"{name} with {threads} threads" (bits one) (bits (withThreads threads work))

[<Test>]
let ``scattered rows are sums over their uses, in order`` () =
    for columns in [ 1; 15; 16; 17; 64; 65; 200 ] do
        for count in [ 0; 1; 40 ] do
            let rows = 7
            let g, chosen = numbers false 3 (count * columns), ids columns count rows

            let exact, obtained =
                compare [ F32, g ] (F32, rows * columns) (fun device s ->
                    device.ScatterRows(s[0], ReadOnlySpan chosen, columns, s[1]))

            // As many roundings as there are uses at most.
            let magnitude = Array.zeroCreate (rows * columns)

            for i in 0 .. count - 1 do
                for j in 0 .. columns - 1 do
                    let at = chosen[i] * columns + j
                    magnitude[at] <- magnitude[at] + abs g[i * columns + j]

            requireWithin "ScatterRows" (magnitude |> Array.map (fun m -> 40.0 * epsilon * m)) exact obtained

[<Test>]
let ``gathered and scattered rows have the same bits with any number of threads`` () =
    let rows, count, columns = 500, 700, 203
    let x, g, chosen = ordinary 1 (rows * columns), ordinary 2 (count * columns), ids 3 count rows

    sameBits "GatherRows" (fun () ->
        run cpu [ F32, x ] (F32, count * columns) (fun s -> cpu.GatherRows(s[0], ReadOnlySpan chosen, columns, s[1])))

    sameBits "ScatterRows" (fun () ->
        run cpu [ F32, g ] (F32, rows * columns) (fun s -> cpu.ScatterRows(s[0], ReadOnlySpan chosen, columns, s[1])))

let private softmaxIds rows columns = ids (rows + columns) rows columns

[<Test>]
let ``log-probabilities of words and residuals agree with the reference`` () =
    for columns in [ 1; 2; 15; 16; 17; 33; 100 ] do
        for rows in [ 1; 3 ] do
            let chosen = softmaxIds rows columns
            // Of all sizes: one logit far above the others, and all of them far from 0.
            let a =
                numbers false columns (rows * columns)
                |> Array.mapi (fun i v -> float (float32 (3.0 * v + (if i % 7 = 0 then 1e4 else 0.0) - 9e3)))

            let work (device: Device) residuals =
                let elementType = if device.Real = F64 then F64 else F32
                use buffer = new Buffer(device, elementType, a)
                use l = new Buffer(device, F64, Array.create rows nan)

                device.CategoricalLogLikelihood(
                    buffer.Storage,
                    ReadOnlySpan chosen,
                    l.Storage,
                    residuals,
                    rows,
                    columns
                )

                l.Values, buffer.Values

            let exact, exactResiduals = work reference true
            let obtained, residuals = work cpu true
            requireWithin "values" (exact |> Array.map (fun l -> 4.0 * epsilon * (abs l + 1.0))) exact obtained
            requireWithin "residuals" (exactResiduals |> Array.map (fun _ -> 6.0 * epsilon)) exactResiduals residuals
            equal obtained (fst (work cpu false))
            holds "all are finite" (Array.forall Double.IsFinite obtained)

            let g = numbers false 5 (rows * columns)

            let exact, obtained =
                compare [ F32, residuals; F32, g ] (F32, rows * columns) (fun device s ->
                    device.CategoricalResidualAdjoint(s[0], ReadOnlySpan chosen, s[1], s[2], rows, columns))

            requireWithin "adjoints" (exact |> Array.map (fun _ -> 20.0 * epsilon)) exact obtained

[<Test>]
let ``log-probabilities of words depend on their row alone, and not on the threads`` () =
    let rows, columns = 37, 1003
    let chosen, a, g = softmaxIds rows columns, ordinary 4 (rows * columns), ordinary 5 (rows * columns)

    let work (rows: int[]) =
        let part (x: float[]) = rows |> Array.collect (fun r -> x[r * columns .. (r + 1) * columns - 1])
        use logits = new Buffer(cpu, F32, part a)
        use l = new Buffer(cpu, F64, Array.zeroCreate rows.Length)
        let own = rows |> Array.map (fun r -> chosen[r])
        cpu.CategoricalLogLikelihood(logits.Storage, ReadOnlySpan own, l.Storage, true, rows.Length, columns)

        let adjoint =
            run cpu [ F32, logits.Values; F32, part g ] (F32, rows.Length * columns) (fun s ->
                cpu.CategoricalResidualAdjoint(s[0], ReadOnlySpan own, s[1], s[2], rows.Length, columns))

        Array.concat [ l.Values; logits.Values; adjoint ]

    sameBits "softmax" (fun () -> work [| 0..36 |])
    let all, alone = work [| 0..36 |], work [| 20 |]
    equal (bits [| all[20] |]) (bits [| alone[0] |])
    equal (bits all[37 + 20 * columns .. 37 + 21 * columns - 1]) (bits alone[1..columns])
