module GapLab.Tests.Tensors.DeviceProductTests

// Reductions, products, fused kernels, random numbers and Adam; the tolerances are stated in DeviceChecks.

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

// ---- reductions ----------------------------------------------------------------------------------------------------------

let private reductionGrid =
    [ for outer, inner in [ 0, 3; 3, 0; 1, 1; 3, 1; 1, 3; 2, 15; 2, 16; 17, 17; 3, 33; 33, 2; 1, 100; 100, 1 ] do
          for reduced in [ 0; 1; 2; 3; 15; 16; 17; 31; 33; 100 ] do
              outer, reduced, inner
      // Large enough to be split among threads, both ways.
      200, 100, 3
      3, 100, 200
      1, 20001, 1 ]

[<Test>]
let ``sums along an axis are accumulated in float64`` () =
    for outer, reduced, inner in reductionGrid do
        let x = ordinary (outer + reduced) (outer * reduced * inner)
        let absolute = Array.zeroCreate<float>(outer * inner)

        x
        |> Array.iteri (fun i v ->
            let at = i / (reduced * inner) * inner + i % inner in absolute[at] <- absolute[at] + abs v)

        for source, target in [ F32, F32; F32, F64; F64, F64 ] do
            let exact, obtained =
                compare [ source, x ] (target, outer * inner) (fun device s ->
                    device.Reduce(Reduction.Sum, s[0], outer, reduced, inner, s[1]))

            let bounds =
                Array.map2 (fun a e -> 1e-14 * a + (if target = F32 then 2.0 * epsilon * abs e else 0.0)) absolute exact

            requireWithin $"Sum of [{outer}, {reduced}, {inner}]" bounds exact obtained

[<Test>]
let ``maxima along an axis are exact, and NaN wins`` () =
    for outer, reduced, inner in reductionGrid do
        for x in [ ordinary reduced (outer * reduced * inner); numbers true reduced (outer * reduced * inner) ] do
            for source, target in [ F32, F32; F64, F64 ] do
                let exact, obtained =
                    compare [ source, x ] (target, outer * inner) (fun device s ->
                        device.Reduce(Reduction.Max, s[0], outer, reduced, inner, s[1]))

                equal exact obtained

[<Test>]
let ``sums with infinities and NaN are what float64 gives`` () =
    for values in
        [ [| 1.0; infinity |]
          [| infinity; -infinity |]
          [| nan; 1.0 |]
          [| -infinity; 3.0 |]
          [| float Single.MaxValue; float Single.MaxValue |] ] do
        for n in [ 2; 16; 33; 100 ] do
            let x = Array.append values (ordinary n (n - 2))

            let exact, obtained =
                compare [ F32, x ] (F64, 1) (fun device s -> device.Reduce(Reduction.Sum, s[0], 1, n, 1, s[1]))

            requireWithin "Sum" [| 1e-14 * abs exact[0] |] exact obtained

// ---- products ------------------------------------------------------------------------------------------------------------

let private sizes = [ 0; 1; 2; 3; 15; 16; 17; 31; 33; 100 ]

let private absolute (values: float[]) = Array.map abs values

[<Test>]
let ``matrix products in all four orientations`` () =
    let random = Random 11
    let some = sizes @ [ 200 ]

    let cases =
        [ for m in sizes do
              for n in sizes do
                  // The whole grid is for the soak run.
                  if soak then
                      yield! [ for k in some -> m, n, k ]
                  else
                      m, n, some[random.Next some.Length]
          for k in some do
              13, 33, k ]

    for m, n, k in cases do
        for transposeA in [ false; true ] do
            for transposeB in [ false; true ] do
                let a, b = ordinary (m + k) (m * k), ordinary (n + k) (n * k)

                let multiply (device: Device) (s: Storage list) =
                    device.MatrixProduct(s[0], transposeA, s[1], transposeB, null, s[2], m, n, k)

                let exact, obtained = compare [ F32, a; F32, b ] (F32, m * n) multiply
                let scale = run reference [ F64, absolute a; F64, absolute b ] (F64, m * n) (multiply reference)

                requireWithin
                    $"[{m}, {k}]·[{k}, {n}]"
                    (Array.map (fun s -> float (k + 2) * epsilon * s) scale)
                    exact
                    obtained

[<Test>]
let ``linear layers with every activation`` () =
    let random = Random 12

    for activation in Enum.GetValues<Activation>() do
        for m in sizes do
            for n in sizes do
                let k = sizes[random.Next sizes.Length]
                let x, w, b = ordinary m (m * k), ordinary n (n * k), ordinary 3 n
                let apply f (device: Device) (s: Storage list) = device.Linear(s[0], s[1], null, s[2], f, s[3], m, n, k)
                let exact, obtained = compare [ F32, x; F32, w; F32, b ] (F32, m * n) (apply activation)

                let scale =
                    run
                        reference
                        [ F64, absolute x; F64, absolute w; F64, absolute b ]
                        (F64, m * n)
                        (apply Activation.Identity reference)

                let bounds = Array.map2 (fun s e -> float (k + 2) * epsilon * s + 8.0 * epsilon * abs e) scale exact
                requireWithin $"{activation} of [{m}, {k}]·[{k}, {n}]" bounds exact obtained

[<Test>]
let ``an infinity or NaN in a product stays in its row or column`` () =
    for bad in [ infinity; -infinity; nan ] do
        for m, n, k in [ 3, 5, 2; 17, 33, 16; 31, 15, 40 ] do
            let a, b = ordinary 1 (m * k), ordinary 2 (k * n)
            a[(m - 1) * k + k / 2] <- bad

            let exact, obtained =
                compare [ F32, a; F32, b ] (F32, m * n) (fun device s ->
                    device.MatrixProduct(s[0], false, s[1], false, null, s[2], m, n, k))

            let bounds = Array.create (m * n) 1e-4
            requireWithin "product" bounds exact obtained
            holds "all numbers are finite" (obtained[.. (m - 1) * n - 1] |> Array.forall Double.IsFinite)

// ---- Bernoulli -----------------------------------------------------------------------------------------------------------

let private softplus a = max a 0.0 + Math.Log(1.0 + Math.Exp(-(abs a)))

[<Test>]
let ``Bernoulli log-likelihoods and their adjoints`` () =
    for datapoints, repeat in [ 0, 1; 1, 1; 2, 3; 5, 1; 1, 17; 3, 16 ] do
        for columns in [ 1; 2; 3; 15; 16; 17; 31; 33; 100; 784 ] do
            let rows = datapoints * repeat

            for extreme in [ false; true ] do
                let a, x, g =
                    logits extreme columns (rows * columns), pixels rows (datapoints * columns), ordinary 9 rows

                let exact, obtained =
                    compare [ F32, a; F32, x ] (F64, rows) (fun device s ->
                        device.BernoulliLogLikelihood(s[0], s[1], repeat, s[2], rows, columns))

                let scale =
                    Array.init rows (fun r ->
                        Seq.sum (
                            seq { for c in 0 .. columns - 1 -> abs a[r * columns + c] + softplus a[r * columns + c] }
                        ))

                requireWithin
                    $"log-likelihood of {rows} x {columns}"
                    (Array.map (fun s -> 6.0 * epsilon * s) scale)
                    exact
                    obtained

                let exact, obtained =
                    compare [ F32, a; F32, x; F64, g ] (F32, rows * columns) (fun device s ->
                        device.BernoulliLogLikelihoodAdjoint(s[0], s[1], repeat, s[2], s[3], rows, columns))

                requireWithin
                    $"adjoint of {rows} x {columns}"
                    (Array.init (rows * columns) (fun i -> 6.0 * epsilon * abs g[i / columns]))
                    exact
                    obtained

[<TestCase(100.0, 1.0, -3.720075976020836e-44)>]
[<TestCase(-100.0, 1.0, -100.0)>]
[<TestCase(100.0, 0.0, -100.0)>]
[<TestCase(-100.0, 0.0, -3.720075976020836e-44)>]
let ``a Bernoulli pixel at a logit of 100 neither overflows nor is clamped``
    (logit: float)
    (x: float)
    (logProbability: float)
    =
    // e^-100 = 3.720075976020836e-44 (mpmath), and log(1 + e^-100) is the same number to double precision.
    let act (device: Device) (s: Storage list) = device.BernoulliLogLikelihood(s[0], s[1], 1, s[2], 1, 1)
    let exact, obtained = compare [ F32, [| logit |]; F32, [| x |] ] (F64, 1) act

    // The reference sums x a - softplus(a) in float64: 100 - 100 leaves nothing of 4e-44.
    near 1e-13 logProbability exact[0]
    near 1e-5 logProbability obtained[0]

// ---- random numbers and Adam -----------------------------------------------------------------------------------------------

[<Test>]
let ``normals are the same on every device, bit for bit`` () =
    let stream = RandomStream(5UL, RandomPurpose.Test)

    for rowLength in [ 0; 1; 2; 15; 16; 17; 64; 65; 300; 1000 ] do
        for offset in [ 0L; 1L; 100L ] do
            let datapoints = [| 7; 0; 7; 100000 |]

            let act (device: Device) (s: Storage list) =
                device.FillNormal(stream, ReadOnlySpan datapoints, 3, 2, offset, rowLength, s[0])

            let exact, obtained = compare [] (F32, 4 * rowLength) act
            equal (bits exact) (bits obtained)
            // A row is a function of its datapoint, and the offset skips numbers.
            equal obtained[2 * rowLength .. 3 * rowLength - 1] (obtained[.. rowLength - 1])

            let alone =
                run cpu [] (F32, rowLength + int offset) (fun s ->
                    cpu.FillNormal(stream, ReadOnlySpan [| 100000 |], 3, 2, 0L, rowLength + int offset, s[0]))

            equal alone[int offset ..] (obtained[3 * rowLength ..])

[<Test>]
let ``Adam updates parameters and moments in place`` () =
    let step = AdamStep(1e-3, 0.9, 0.999, 1e-8, 1.0 - Math.Pow(0.9, 3.0), 1.0 - Math.Pow(0.999, 3.0))

    for n in 20000 :: lengths do
        let g, m, v, p =
            ordinary 1 n,
            ordinary 2 n |> Array.map (fun v -> float (float32 (0.1 * v))),
            ordinary 3 n |> Array.map abs,
            ordinary 4 n

        let update (device: Device) =
            let typeOf = device.Real
            use gs = new Buffer(device, typeOf, g)
            use ms = new Buffer(device, typeOf, m)
            use vs = new Buffer(device, typeOf, v)
            use ps = new Buffer(device, typeOf, p)
            device.Adam(&step, ReadOnlySpan [| ParameterUpdate(ps.Storage, gs.Storage, ms.Storage, vs.Storage) |])
            equal g gs.Values
            ms.Values, vs.Values, ps.Values

        let exactM, exactV, exactP = update reference
        let obtainedM, obtainedV, obtainedP = update cpu
        let small = 4.0 * epsilon
        requireWithin "m" (Array.map2 (fun m g -> small * (abs m + abs g)) m g) exactM obtainedM
        requireWithin "v" (Array.map2 (fun v g -> small * (v + g * g)) v g) exactV obtainedV
        // |m| + |g| bounds what cancels in the new m.
        let root = exactV |> Array.map (fun v -> sqrt (v / step.Correction2))
        let moved = Array.init n (fun i -> step.Rate * (abs m[i] + abs g[i]) / step.Correction1 / (root[i] + 1e-8))
        requireWithin "p" (Array.map2 (fun p s -> 2.0 * epsilon * abs p + 16.0 * epsilon * s) p moved) exactP obtainedP

[<Test>]
let ``what the CPU device only computes in float32 is refused in float64`` () =
    use x = new Buffer(cpu, F64, Array.zeroCreate 4)
    let refuses = throws<ShapeException> [ "float32" ]
    refuses (fun () -> cpu.MatrixProduct(x.Storage, false, x.Storage, false, null, x.Storage, 2, 2, 2))
    refuses (fun () -> cpu.Linear(x.Storage, x.Storage, null, x.Storage, Activation.Elu, x.Storage, 2, 2, 2))
    refuses (fun () -> cpu.BernoulliLogLikelihood(x.Storage, x.Storage, 1, x.Storage, 2, 2))

    refuses (fun () ->
        let step = AdamStep(1, 0, 0, 0, 1, 1) in
        cpu.Adam(&step, ReadOnlySpan [| ParameterUpdate(x.Storage, x.Storage, x.Storage, x.Storage) |]))
