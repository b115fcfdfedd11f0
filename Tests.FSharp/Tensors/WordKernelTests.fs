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
