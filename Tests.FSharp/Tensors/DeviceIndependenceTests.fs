module GapLab.Tests.Tensors.DeviceIndependenceTests

// Results are a function of the operands alone: not of the number of threads, nor of what else is in the batch.

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

/// Every primitive that is split among threads, on enough numbers to be split.
let private large: (string * (unit -> float[])) list =
    let m, n, k = 131, 203, 157
    let x, w, b = ordinary 1 (m * k), ordinary 2 (n * k), ordinary 3 n
    let a, data, g = logits false 4 (m * 784), pixels 5 (m * 784), ordinary 6 m
    let wide = ordinary 7 (m * n)
    let stream = RandomStream(9UL, RandomPurpose.Test)

    [ "MatrixProduct",
      fun () ->
          run cpu [ F32, x; F32, w ] (F32, m * n) (fun s ->
              cpu.MatrixProduct(s[0], false, s[1], true, null, s[2], m, n, k))
      "MatrixProduct of transposed",
      fun () ->
          run cpu [ F32, x; F32, wide ] (F32, k * n) (fun s ->
              cpu.MatrixProduct(s[0], true, s[1], false, null, s[2], k, n, m))
      "Linear",
      fun () ->
          run cpu [ F32, x; F32, w; F32, b ] (F32, m * n) (fun s ->
              cpu.Linear(s[0], s[1], null, s[2], Activation.Elu, s[3], m, n, k))
      "BernoulliLogLikelihood",
      fun () ->
          run cpu [ F32, a; F32, data ] (F64, m) (fun s -> cpu.BernoulliLogLikelihood(s[0], s[1], 1, s[2], m, 784))
      "BernoulliLogLikelihoodAdjoint",
      fun () ->
          run cpu [ F32, a; F32, data; F64, g ] (F32, m * 784) (fun s ->
              cpu.BernoulliLogLikelihoodAdjoint(s[0], s[1], 1, s[2], s[3], m, 784))
      "Sum over the last axis",
      fun () -> run cpu [ F32, wide ] (F64, m) (fun s -> cpu.Reduce(Reduction.Sum, s[0], m, n, 1, s[1]))
      "Sum over the first axis",
      fun () -> run cpu [ F32, wide ] (F32, n) (fun s -> cpu.Reduce(Reduction.Sum, s[0], 1, m, n, s[1]))
      "Sum over a middle axis",
      fun () -> run cpu [ F32, a ] (F32, m * 7) (fun s -> cpu.Reduce(Reduction.Sum, s[0], m, 112, 7, s[1]))
      "Max over the first axis",
      fun () -> run cpu [ F32, wide ] (F32, n) (fun s -> cpu.Reduce(Reduction.Max, s[0], 1, m, n, s[1]))
      "Softplus", fun () -> run cpu [ F32, wide ] (F32, m * n) (fun s -> cpu.Unary(UnaryFunction.Softplus, s[0], s[1]))
      "Affine", fun () -> run cpu [ F32, wide ] (F32, m * n) (fun s -> cpu.Affine(s[0], 0.3, -0.7, s[1]))
      "Divide",
      fun () ->
          let shape = Shape(m * n) in

          run cpu [ F32, wide; F32, [| 3.0 |] ] (F32, m * n) (fun s ->
              cpu.Binary(BinaryFunction.Divide, s[0], shape, s[1], Shape 1, s[2], shape))
      "ActivationAdjoint",
      fun () ->
          run cpu [ F32, wide; F32, wide ] (F32, m * n) (fun s ->
              cpu.ActivationAdjoint(Activation.Tanh, s[0], s[1], s[2]))
      "FillNormal",
      fun () ->
          run cpu [] (F32, 100 * 333) (fun s -> cpu.FillNormal(stream, ReadOnlySpan [| 0..99 |], 0, 0, 0L, 333, s[0])) ]

[<Test>]
let ``results have the same bits with one, two and three threads`` () =
    for name, work in large do
        let one = withThreads 1 work
        holds "all numbers are finite" (one |> Array.forall Double.IsFinite)

        for threads in [ 2; 3 ] do
            equalFor $"{name} with {threads} threads" (bits one) (bits (withThreads threads work))

/// A primitive on some rows of a batch, and the numbers of its result per row. The batch has 37 rows.
let private byRow: (string * (int[] -> float[])) list =
    let rows (values: float[]) (indices: int[]) =
        let columns = values.Length / 37
        indices |> Array.collect (fun r -> values[r * columns .. (r + 1) * columns - 1])

    let k, n = 50, 43
    let x, w, b = ordinary 1 (37 * k), ordinary 2 (n * k), ordinary 3 n
    let a, data, g = logits false 4 (37 * 100), pixels 5 (37 * 100), ordinary 6 37
    let stream = RandomStream(9UL, RandomPurpose.Test)

    [ "Linear",
      fun r ->
          run cpu [ F32, rows x r; F32, w; F32, b ] (F32, r.Length * n) (fun s ->
              cpu.Linear(s[0], s[1], null, s[2], Activation.Tanh, s[3], r.Length, n, k))
      "MatrixProduct",
      fun r ->
          run cpu [ F32, rows x r; F32, w ] (F32, r.Length * n) (fun s ->
              cpu.MatrixProduct(s[0], false, s[1], true, null, s[2], r.Length, n, k))
      "BernoulliLogLikelihood",
      fun r ->
          run cpu [ F32, rows a r; F32, rows data r ] (F64, r.Length) (fun s ->
              cpu.BernoulliLogLikelihood(s[0], s[1], 1, s[2], r.Length, 100))
      "BernoulliLogLikelihoodAdjoint",
      fun r ->
          run cpu [ F32, rows a r; F32, rows data r; F64, rows g r ] (F32, r.Length * 100) (fun s ->
              cpu.BernoulliLogLikelihoodAdjoint(s[0], s[1], 1, s[2], s[3], r.Length, 100))
      "Sum",
      fun r ->
          run cpu [ F32, rows a r ] (F64, r.Length) (fun s -> cpu.Reduce(Reduction.Sum, s[0], r.Length, 100, 1, s[1]))
      "Sum of float64",
      fun r ->
          run cpu [ F64, rows a r ] (F64, r.Length) (fun s -> cpu.Reduce(Reduction.Sum, s[0], r.Length, 100, 1, s[1]))
      "FillNormal",
      fun r -> run cpu [] (F32, r.Length * 77) (fun s -> cpu.FillNormal(stream, ReadOnlySpan r, 1, 2, 0L, 77, s[0])) ]

[<Test>]
let ``a row evaluated alone or elsewhere in a batch has the same bits`` () =
    for name, work in byRow do
        let batch = work [| 0..36 |]
        let columns = batch.Length / 37
        let row (values: float[]) r = bits values[r * columns .. (r + 1) * columns - 1]

        for r in 0..36 do
            equalFor $"{name}, row {r} alone" (row batch r) (row (work [| r |]) 0)

        let shuffled = Array.init 37 (fun i -> i * 10 % 37)
        let moved = work shuffled

        for i in 0..36 do
            equalFor $"{name}, row {shuffled[i]} at {i}" (row batch shuffled[i]) (row moved i)

[<Test>]
let ``a datapoint's samples share its data as if it were copied`` () =
    let datapoints, repeat, columns = 5, 7, 33
    let rows = datapoints * repeat
    let a, x, g = logits false 1 (rows * columns), pixels 2 (datapoints * columns), ordinary 3 rows
    let copied = Array.init (rows * columns) (fun i -> x[i / columns / repeat * columns + i % columns])

    for device in [ cpu; reference ] do
        let value x repeat =
            run device [ F32, a; F32, x ] (F64, rows) (fun s ->
                device.BernoulliLogLikelihood(s[0], s[1], repeat, s[2], rows, columns))

        let adjoint x repeat =
            run device [ F32, a; F32, x; F64, g ] (F32, rows * columns) (fun s ->
                device.BernoulliLogLikelihoodAdjoint(s[0], s[1], repeat, s[2], s[3], rows, columns))

        equal (bits (value copied 1)) (bits (value x repeat))
        equal (bits (adjoint copied 1)) (bits (adjoint x repeat))

[<Test>]
let ``allocated and peak bytes are counted`` () =
    let before = cpu.AllocatedBytes
    cpu.ResetPeak()
    let address = cpu.Allocate 1000L
    equal 0L (int64 address % 64L)
    equal (before + 1000L) cpu.AllocatedBytes
    cpu.Free(address, 1000L)
    equal before cpu.AllocatedBytes
    holds "the peak is remembered" (cpu.PeakBytes >= before + 1000L)
