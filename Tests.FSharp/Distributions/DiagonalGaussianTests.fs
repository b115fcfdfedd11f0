module GapLab.Tests.Distributions.DiagonalGaussianTests

open System
open NUnit.Framework
open FsCheck.NUnit
open MathNet.Numerics.Distributions
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private device = ReferenceDevice.Instance

let private normals (random: Random) (sizes: int[]) =
    let shape = Shape sizes
    Tensor.Create(device, shape, Array.init shape.Count (fun _ -> Normal.Sample(random, 0.0, 1.0)))

/// A Gaussian for each of B datapoints, [B, 1, n].
let private gaussian random b n = DiagonalGaussian(normals random [| b; 1; n |], normals random [| b; 1; n |])

let private sizes (random: Random) = random.Next(1, 4), random.Next(1, 4), random.Next(1, 6)

/// KL(q ‖ p) = ½ Σ [log(v₂/v₁) + (v₁ + (m₁ - m₂)²)/v₂ - 1] of each of B datapoints, written out.
let private klByHand (q: DiagonalGaussian) (p: DiagonalGaussian) =
    let n = q.Mean.Shape[-1]

    let terms =
        Array.map2
            (fun (m1, l1) (m2, l2) -> 0.5 * (l2 - l1 + (exp l1 + (m1 - m2) ** 2.0) / exp l2 - 1.0))
            (Array.zip (q.Mean.ToArray()) (q.LogVariance.ToArray()))
            (Array.zip (p.Mean.ToArray()) (p.LogVariance.ToArray()))

    terms |> Array.chunkBySize n |> Array.map Array.sum

let private kl (q: DiagonalGaussian) (p: DiagonalGaussian) = (-(q.Entropy()) - q.ExpectedLogProb p).ToArray()

[<Property(MaxTest = 50)>]
let ``densities are sums of one-dimensional normal densities`` (seed: int) =
    let random = Random seed
    let b, s, n = sizes random
    let q, z = gaussian random b n, normals random [| b; s; n |]
    let m, v, points = q.Mean.ToArray(), q.LogVariance.ToArray() |> Array.map exp, z.ToArray()

    let expected =
        Array.init (b * s) (fun r ->
            Seq.sum (
                seq {
                    for j in 0 .. n - 1 -> let k = r / s * n + j in Normal.PDFLn(m[k], sqrt v[k], points[r * n + j])
                }
            ))

    let found = q.LogProb z
    equal (Shape(b, s)) found.Shape
    close "log density" 1e-12 expected (found.ToArray())

[<Property(MaxTest = 50)>]
let ``the density of a sample follows from its noise`` (seed: int) =
    let random = Random seed
    let b, s, n = sizes random
    let q, epsilon = gaussian random b n, normals random [| b; s; n |]
    let expected = (q.LogProb(q.Sample epsilon)).ToArray()
    let found = q.LogProbOfSample epsilon
    equal (Shape(b, s)) found.Shape
    close "log density" 1e-11 expected (found.ToArray())

[<Property(MaxTest = 50)>]
let ``samples are mean plus deviation times noise`` (seed: int) =
    let random = Random seed
    let b, s, n = sizes random
    let q, epsilon = gaussian random b n, normals random [| b; s; n |]
    let m, l, e = q.Mean.ToArray(), q.LogVariance.ToArray(), epsilon.ToArray()
    let expected = Array.init (b * s * n) (fun i -> let k = i / (s * n) * n + i % n in m[k] + exp (0.5 * l[k]) * e[i])
    close "z" 1e-14 expected (q.Sample(epsilon).ToArray())

[<Property(MaxTest = 50)>]
let ``the standard Gaussian is the one of zeros`` (seed: int) =
    let random = Random seed
    let b, s, n = sizes random
    let zeros = Tensor.Filled(device, Shape n, 0.0)
    let standard, plain = DiagonalGaussian.Standard(device, n), DiagonalGaussian(zeros, zeros)
    let z, q = normals random [| b; s; n |], gaussian random b n
    close "density" 1e-14 ((plain.LogProb z).ToArray()) ((standard.LogProb z).ToArray())
    close "expected density" 1e-14 ((q.ExpectedLogProb plain).ToArray()) ((q.ExpectedLogProb standard).ToArray())
    equal (z.ToArray()) (standard.Sample(z).ToArray())
    close "entropy" 1e-14 [| 0.5 * float n * (1.0 + log (2.0 * Math.PI)) |] [| standard.Entropy().ToDouble() |]

[<Property(MaxTest = 50)>]
let ``KL divergences are those of the formula, positive, and zero between equals`` (seed: int) =
    let random = Random seed
    let b, _, n = sizes random
    let q, p = gaussian random b n, gaussian random b n
    let found = kl q p
    close "KL" 1e-12 (klByHand q p) found
    holds "KL is positive" (Array.forall (fun k -> k > 0.0) found)
    close "KL of equals" 1e-12 (Array.zeroCreate b) (kl q q)
    // KL(N(m, v) ‖ N(0, I)) = -½ Σ [1 + log v - m² - v].
    let toStandard =
        Array.map2 (fun m l -> -0.5 * (1.0 + l - m * m - exp l)) (q.Mean.ToArray()) (q.LogVariance.ToArray())
        |> Array.chunkBySize n
        |> Array.map Array.sum

    close "KL to the standard Gaussian" 1e-12 toStandard (kl q (DiagonalGaussian.Standard(device, n)))

[<Property(MaxTest = 50)>]
let ``entropy and expected density are means over samples`` (seed: int) =
    // ε = 1 and ε = -1 with weight ½ integrate quadratics in ε exactly (Gauss-Hermite with two points).
    let random = Random seed
    let b, _, n = sizes random
    let q, p = gaussian random b n, gaussian random b n

    let mean (density: DiagonalGaussian) =
        let at e = (density.LogProb(q.Sample(Tensor.Filled(device, Shape(b, 1, n), e)))).ToArray()
        Array.map2 (fun above below -> 0.5 * (above + below)) (at 1.0) (at -1.0)

    close "entropy" 1e-11 (mean q |> Array.map (~-)) (q.Entropy().ToArray())
    close "expected density" 1e-11 (mean p) ((q.ExpectedLogProb p).ToArray())

[<Test>]
let ``a prior that depends on the sample above has one expectation a sample`` () =
    let random = Random 2
    let b, s, n = 2, 3, 4
    let q = gaussian random b n
    let p = DiagonalGaussian(normals random [| b; s; n |], normals random [| b; s; n |])
    let found = q.ExpectedLogProb p
    equal (Shape(b, s)) found.Shape

    for datapoint in 0 .. b - 1 do
        for sample in 0 .. s - 1 do
            let row (t: Tensor) i = Tensor.Create(device, Shape(1, 1, n), Array.sub (t.ToArray()) (i * n) n)
            let single = DiagonalGaussian(row q.Mean datapoint, row q.LogVariance datapoint)

            let prior =
                DiagonalGaussian(row p.Mean (datapoint * s + sample), row p.LogVariance (datapoint * s + sample))

            near 1e-12 (single.ExpectedLogProb(prior).ToDouble()) (found.ToArray()[datapoint * s + sample])

[<Test>]
let ``on the CPU device densities are float64, though samples are float32`` () =
    let cpu = CpuDevice.Instance
    let q = DiagonalGaussian(Tensor.Filled(cpu, Shape(1, 1, 50), 0.5), Tensor.Filled(cpu, Shape(1, 1, 50), -1.0))
    let epsilon = Tensor.Normal(cpu, RandomStream(1UL, RandomPurpose.Test), ReadOnlySpan [| 0 |], 0, 0, Shape(4, 50))
    equal ElementType.Float32 (q.Sample epsilon).Type

    for density in
        [ q.LogProb(q.Sample epsilon)
          q.LogProbOfSample epsilon
          q.Entropy()
          q.ExpectedLogProb(DiagonalGaussian.Standard(cpu, 50)) ] do
        equal ElementType.Float64 density.Type

    // float32 terms of size 1 to 10, fifty of them.
    close "densities agree" 1e-6 ((q.LogProbOfSample epsilon).ToArray()) ((q.LogProb(q.Sample epsilon)).ToArray())

[<Test>]
let ``noise belongs to its datapoint, level and step, and may be drawn in pieces`` () =
    let stream = RandomStream(8UL, RandomPurpose.Test)

    let x (indices: int[]) =
        DenseObservations(Tensor.Filled(device, Shape(indices.Length, 1), 0.0), ReadOnlyMemory indices)

    let noise (indices: int[]) samples step first = Noise(x indices, stream, samples, step, first)
    let both = noise ([| 7; 3 |]) 4 2 0
    let all = both.Normal(3)
    equal (Shape(2, 4, 3)) all.Shape
    equal (Array.skip 12 (all.ToArray())) ((noise [| 3 |] 4 2 0).Normal(3).ToArray())
    equal (Array.skip 6 (all.ToArray()) |> Array.take 6) ((noise [| 7 |] 2 2 2).Normal(3).ToArray())
    holds "levels differ" (both.Normal(3, 1).ToArray() <> all.ToArray())
    holds "steps differ" ((noise [| 7; 3 |] 4 3 0).Normal(3).ToArray() <> all.ToArray())

[<Test>]
let ``a variance shared by all components counts for each of them`` () =
    // n = 3 components with variance e^0.6: H = n/2 (1 + log 2π + 0.6); E[log N(0, I)] = -½ (n log 2π + n e^0.6 + |m|²).
    use _ = MemoryScope.Enter()

    let q =
        DiagonalGaussian(
            Tensor.Create(device, Shape [| 1; 1; 3 |], [| 1.0; -2.0; 0.5 |]),
            Tensor.Filled(device, Shape [| 1; 1; 1 |], 0.6)
        )

    let log2pi = log (2.0 * Math.PI)
    close "entropy" 1e-14 [| 1.5 * (1.6 + log2pi) |] (q.Entropy().ToArray())
    let expected = -0.5 * (3.0 * log2pi + 3.0 * exp 0.6 + 5.25)
    let standard = DiagonalGaussian.Standard(device, 3)
    close "expected log-density" 1e-14 [| expected |] (q.ExpectedLogProb(standard).ToArray())

    close
        "weighted"
        1e-14
        [| 0.5 * expected + 0.25 * 1.5 * (1.6 + log2pi) |]
        (q.WeightedTerms(standard, 0.5, 0.25).ToArray())

[<Test>]
let ``data of another size than the outputs are refused, not repeated`` () =
    use _ = MemoryScope.Enter()
    let x sizes = DenseObservations(Tensor.Filled(device, Shape(sizes: int[]), 1.0))
    let outputs = Tensor.Filled(device, Shape [| 2; 3; 4 |], 0.5)
    let gaussian = GaussianOutput(outputs, Tensor.Filled(device, Shape [| 1 |], 0.0))

    for wrong in [ [| 2; 1 |]; [| 1; 4 |]; [| 2; 5 |] ] do
        throws<ShapeException> [ "[2, 3, 4]" ] (fun () -> gaussian.LogProb(x wrong) |> ignore)
        throws<ShapeException> [ "[2, 3, 4]" ] (fun () -> Bernoulli(outputs).LogProb(x wrong) |> ignore)
