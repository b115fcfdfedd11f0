module GapLab.Tests.Models.HierarchicalModelTests

open System
open NUnit.Framework
open FsCheck.NUnit
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Models
open GapLab.Networks
open GapLab.Specification
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Checks

let private latents device seed (sizes: int seq) b s =
    Latents
        [| for level, n in Seq.indexed sizes ->
               Tensor.Normal(device, stream seed, ReadOnlySpan [| 0 .. b - 1 |], 0, level, Shape(s, n)) |]

[<Test>]
let ``the joint log-density of a linear-Gaussian chain is that of the dense Gaussian`` () =
    use _scope = MemoryScope.Enter(record = false)

    for chain, rows in [ chain, chainData; scalarChain, [| [| 0.3; -1.0 |]; [| 2.0; 0.5 |] |] ] do
        let model = chain.On reference
        let z = latents reference 5UL model.LatentSizes rows.Length 4
        let mean, covariance = chain.Joint
        let blocks = [ for level in z.Levels -> level.ToArray() ]

        let expected =
            [| for i in 0 .. rows.Length - 1 do
                   for s in 0..3 do
                       let own =
                           [ for n, block in Seq.zip model.LatentSizes blocks do
                                 yield! block[(4 * i + s) * n .. (4 * i + s + 1) * n - 1] ]

                       logNormal mean covariance (Vector<float>.Build.DenseOfEnumerable(Seq.append rows[i] own)) |]

        close "log p(x, z)" 1e-11 expected (model.LogJoint(observe reference rows, z).ToArray())

[<Test>]
let ``two levels with deterministic units compute what their formula says`` () =
    use _scope = MemoryScope.Enter(record = false)

    let hierarchy =
        { Sizes = [| 2; 1 |]
          Layers = [| LevelLayers([| 3 |], 2); LevelLayers [| 4 |] |]
          DataSize = 2
          Activation = Activation.Tanh
          Output = OutputKind.Gaussian
          Highway = false
          BatchNormalization = false
          ConstantVariances = false }

    let model = randomModelOf reference 3UL hierarchy

    let parameter name =
        let p = model.Parameters[Seq.findIndex ((=) name) model.Parameters.Names]
        p.ToArray()

    let linear name (x: float[]) =
        let w, b = parameter $"{name}.weight", parameter $"{name}.bias"
        b |> Array.mapi (fun i bi -> bi + (Seq.sum (Seq.mapi (fun j xj -> w[i * x.Length + j] * xj) x)))

    let z1, z2, x = [| 0.3; -0.8 |], [| 1.1 |], [| 0.5; -0.2 |]
    let above = linear "decoder.level1.0" z2 |> Array.map tanh
    let priorMean = linear "prior.level0.mean" above

    let priorVariance = linear "prior.level0.logVariance" above |> Array.map (fun a -> exp (7.0 * tanh (a / 7.0)))

    let units = linear "prior.level0.deterministic" above

    let mean = linear "decoder.level0.0" (Array.append z1 units) |> Array.map tanh |> linear "decoder.output"

    let logGaussian m v x = -0.5 * (log (2.0 * Math.PI * v) + (x - m) ** 2.0 / v)
    let output = exp (parameter "decoder.logVariance").[0]

    let expected =
        Array.sum (Array.map2 (fun m x -> logGaussian m output x) mean x)
        + Array.sum (Array.map3 logGaussian priorMean priorVariance z1)
        + logGaussian 0.0 1.0 z2[0]

    let row (values: float[]) = Tensor.Create(reference, Shape(1, 1, values.Length), values)

    near 1e-12 expected (model.LogJoint(observe reference [| x |], Latents [| row z1; row z2 |]).ToDouble())

[<Property(MaxTest = 60)>]
let ``single priors and the output are the factors that one pass over the levels gives`` (seed: uint64) =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed
    let model = randomModelOf reference seed hierarchy
    let x = randomData reference seed hierarchy 2
    let z = latents reference seed hierarchy.Sizes 2 3
    let struct (priors, output) = model.Factors(z, x)

    for level in 0 .. hierarchy.Sizes.Length - 1 do
        let above = Seq.toArray (Seq.skip (level + 1) z.Levels)

        for other in [ model.Prior(level, above); model.Priors(z).[level] ] do
            equal (bits (priors[level].LogProb(z[level]).ToArray())) (bits (other.LogProb(z[level]).ToArray()))

    equal (bits (output.LogProb(x).ToArray())) (bits (model.LogLikelihood(x, z).ToArray()))

    close
        "log p(x, z)"
        1e-13
        ((output.LogProb x + GenerativeModel.LogPrior(priors, z)).ToArray())
        (model.LogJoint(x, z).ToArray())

[<Property(MaxTest = 20)>]
let ``a model computes in float32 on the CPU what it computes in float64 on the reference device`` (seed: uint64) =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed

    let on device =
        let model = randomModelOf device seed hierarchy

        model.LogJoint(randomData device seed hierarchy 2, latents device seed hierarchy.Sizes 2 3).ToArray()

    close "log p(x, z)" 1e-4 (on reference) (on cpu)

[<Test>]
let ``samples of the prior have the moments of the chain`` () =
    use _scope = MemoryScope.Enter(record = false)
    let model = chain.On reference
    let z = model.SamplePrior(Noise(repeated reference 20 chainData[0], stream 5UL, 1000))
    let mean, covariance = chain.Joint
    let below = z[0].ToArray() |> Array.chunkBySize 2

    for j in 0..1 do
        let own = below |> Array.map (fun v -> v[j] - mean[3 + j])
        agrees "mean" 0.0 (meanAndError own)
        agrees "variance" covariance[3 + j, 3 + j] (meanAndError (Array.map (fun v -> v * v) own))

    let products = Array.map2 (fun (v: float[]) top -> (v[0] - mean[3]) * top) below (z[1].ToArray())
    agrees "covariance of the levels" covariance[3, 5] (meanAndError products)

let private normalised =
    { Sizes = [| 2; 2 |]
      Layers = [| LevelLayers([| 4 |], 2); LevelLayers [| 3 |] |]
      DataSize = 3
      Activation = Activation.Elu
      Output = OutputKind.Bernoulli
      Highway = true
      BatchNormalization = true
      ConstantVariances = false }

[<Test>]
let ``with batch normalisation, training uses and averages the batch's statistics; otherwise no datapoint's numbers depend on another's``
    ()
    =
    use _scope = MemoryScope.Enter(record = false)
    let model = normalised.On cpu
    let x = randomData cpu 1UL normalised 4
    let z = latents cpu 2UL normalised.Sizes 4 3

    let first = Latents [| for level in z.Levels -> Tensor.Create(cpu, Shape(1, 3, 2), level.ToArray()[..5]) |]

    let alone, together =
        model.LogJoint(x.Select(ReadOnlySpan [| 0 |]), first).ToArray(), model.LogJoint(x, z).ToArray()

    equal (bits alone) (bits together[..2])

    let averages () =
        [ for name, p in Seq.zip model.Parameters.Names model.Parameters do
              if name.Contains ".norm.mean" || name.Contains ".norm.variance" then
                  p.ToArray() ]

    let before = averages ()
    equal 4 before.Length
    let training = model.InTraining().LogJoint(x, z).ToArray()
    holds "other statistics" (training <> together)

    for b, a in List.zip before (averages ()) do
        holds "the averages moved" (Array.forall2 (<>) b a)

    holds "and are used" (model.LogJoint(x, z).ToArray() <> together)

[<Test>]
let ``log-variances of priors stay within their bound, whatever the weights`` () =
    use _scope = MemoryScope.Enter(record = false)
    let model = { normalised with BatchNormalization = false }.On cpu

    for p in model.Parameters do
        p.Assign(p * 1000.0)

    let z = latents cpu 2UL normalised.Sizes 4 3

    match model.Priors(z).[0] with
    | :? DiagonalGaussian as prior ->
        let values = prior.LogVariance.ToArray()
        holds "within 7" (values |> Array.forall (fun v -> abs v <= 7.0))
        holds "at the bound" (values |> Array.exists (fun v -> abs v > 6.9))
    | other -> Assert.Fail $"a Gaussian prior, not {other}"

[<Test>]
let ``the choice of a hierarchy builds it, and its settings make the key`` () =
    let choice highway =
        HierarchicalModel.Choice(
            [| 2; 1 |],
            [| LevelLayers([| 4 |], 1); LevelLayers [| 3 |] |],
            Activation.Elu,
            OutputKind.Bernoulli,
            highway = highway
        )

    let built = (choice true).Build(ModelContext(cpu, 5, stream 1UL))
    equal [ 2; 1 ] (List.ofSeq built.LatentSizes)
    equal "hierarchy [1]-3-[2+1]-4-5 Elu Bernoulli, highway" built.Name
    let key highway = CanonicalJson.Hash((choice highway).ToJson())
    holds "other keys" (key true <> key false)

[<Test>]
let ``levels that do not fit are refused`` () =
    let make (sizes: int[]) (layers: LevelLayers list) bound =
        HierarchicalModel(
            cpu,
            sizes,
            List.toArray layers,
            3,
            Activation.Elu,
            OutputKind.Bernoulli,
            stream 1UL,
            logVarianceBound = bound
        )
        |> ignore

    let layer = LevelLayers [| 2 |]
    throws<ShapeException> [ "HierarchicalModel"; "2 latent levels"; "1" ] (fun () -> make [| 1; 1 |] [ layer ] 7.0)
    throws<ShapeException> [ "HierarchicalModel"; "0" ] (fun () -> make [||] [] 7.0)

    throws<ShapeException> [ "0, 3"; "top" ] (fun () -> make [| 1; 1 |] [ layer; LevelLayers([| 2 |], 3) ] 7.0)

    throws<GapLabException> [ "positive"; "0" ] (fun () -> make [| 1; 1 |] [ layer; layer ] 0.0)
