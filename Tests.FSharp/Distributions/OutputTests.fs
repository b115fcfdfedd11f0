module GapLab.Tests.Distributions.OutputTests

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

let private tensorOn (device: Device) (sizes: int[]) (values: float[]) = Tensor.Create(device, Shape sizes, values)
let private tensor = tensorOn device

let private normals (random: Random) (sizes: int[]) =
    tensor sizes (Array.init (Array.fold (*) 1 sizes) (fun _ -> Normal.Sample(random, 0.0, 1.5)))

let private bits (random: Random) (sizes: int[]) =
    tensor sizes (Array.init (Array.fold (*) 1 sizes) (fun _ -> float (random.Next 2)))

let private observations (x: Tensor) = DenseObservations x

[<Property(MaxTest = 50)>]
let ``Bernoulli densities are products of probabilities`` (seed: int) =
    let random = Random seed
    let b, s, d = random.Next(1, 4), random.Next(1, 4), random.Next(1, 8)
    let logits, x = normals random [| b; s; d |], bits random [| b; d |]
    let a, values = logits.ToArray(), x.ToArray()

    let expected =
        Array.init (b * s) (fun r ->
            Seq.sum (
                seq {
                    for c in 0 .. d - 1 do
                        let p = 1.0 / (1.0 + exp -a[r * d + c])
                        log (if values[r / s * d + c] = 1.0 then p else 1.0 - p)
                }
            ))

    let output = Bernoulli logits
    let found = output.LogProb(observations x)
    equal (Shape(b, s)) found.Shape
    close "log p(x | z)" 1e-12 expected (found.ToArray())
    close "mean" 1e-14 (a |> Array.map (fun a -> 1.0 / (1.0 + exp -a))) (output.Mean.ToArray())

[<Test>]
let ``the probabilities of all pictures sum to one`` () =
    let d = 5
    let logits = Array.init d (fun i -> float i - 2.3)
    let pictures = 1 <<< d
    let x = tensor [| pictures; d |] (Array.init (pictures * d) (fun i -> float ((i / d >>> i % d) &&& 1)))
    let output = Bernoulli(tensor [| pictures; 1; d |] (Array.init (pictures * d) (fun i -> logits[i % d])))
    near 1e-13 1.0 (output.LogProb(observations x).ToArray() |> Array.sumBy exp)

[<Test>]
let ``logits of ±100 neither overflow nor are clamped`` () =
    // log σ(100) = -log(1 + e^-100) = -3.7e-44, and log σ(-100) = -100 to sixteen digits.
    let logits, x = [| 100.0; -100.0; 100.0; -100.0 |], [| 1.0; 1.0; 0.0; 0.0 |]
    let expected = [| 0.0; -100.0; -100.0; 0.0 |]

    for device: Device in [ device :> Device; CpuDevice.Instance ] do
        use scope = MemoryScope.Enter()
        let a = tensorOn device [| 4; 1; 1 |] logits
        let density = Bernoulli(a).LogProb(observations (tensorOn device [| 4; 1 |] x))
        close $"log p on {device}" 1e-7 expected (density.ToArray())
        // x - σ(a).
        close $"gradient on {device}" 1e-7 [| 0.0; 1.0; -1.0; 0.0 |] (Gradient.Of(density, a).ToArray())

    // Far beyond, the value stays exact.
    let far = Bernoulli(tensor [| 1; 1; 2 |] [| 1e4; -1e4 |]).LogProb(observations (tensor [| 1; 2 |] [| 0.0; 1.0 |]))
    equal -2e4 (far.ToDouble())

[<Property(MaxTest = 30)>]
let ``the error is the derivative with respect to the mean`` (seed: int) =
    let random = Random seed
    let b, s, d = random.Next(1, 4), random.Next(1, 4), random.Next(1, 6)
    use scope = MemoryScope.Enter()
    // Through the mean: ∂log p/∂a = error · ∂mean/∂a.
    let logits = normals random [| b; s; d |]
    let bernoulli, x = Bernoulli logits, observations (bits random [| b; d |])
    let direct = Gradient.Of(bernoulli.LogProb x, logits)
    let throughMean = Gradient.Of(bernoulli.Mean, logits, bernoulli.Error x)
    close "Bernoulli" 1e-10 (direct.ToArray()) (throughMean.ToArray())

    for logVariance in [ [| 1 |]; [| d |]; [| b; s; d |] ] do
        let mean, y = normals random [| b; s; d |], observations (normals random [| b; d |])
        let gaussian = GaussianOutput(mean, normals random logVariance)

        close
            "Gaussian"
            1e-11
            (Gradient.Of(gaussian.LogProb y, mean).ToArray())
            ((gaussian.Error y).BroadcastTo(mean.Shape).ToArray())

[<Property(MaxTest = 30)>]
let ``Gaussian outputs are independent normals`` (seed: int) =
    let random = Random seed
    let b, s, d = random.Next(1, 4), random.Next(1, 4), random.Next(1, 6)

    for sizes in [ [| 1 |]; [| d |]; [| b; s; d |] ] do
        let mean, logVariance, x = normals random [| b; s; d |], normals random sizes, normals random [| b; d |]
        let m, v, values = mean.ToArray(), (logVariance.BroadcastTo(Shape(b, s, d)).Exp()).ToArray(), x.ToArray()

        let expected =
            Array.init (b * s) (fun r ->
                Seq.sum (
                    seq {
                        for c in 0 .. d - 1 ->
                            let i = r * d + c in Normal.PDFLn(m[i], sqrt v[i], values[r / s * d + c])
                    }
                ))

        let output = GaussianOutput(mean, logVariance)
        close "log p(x | z)" 1e-11 expected ((output.LogProb(observations x)).ToArray())
        equal m (output.Mean.ToArray())

[<Test>]
let ``the density of pixels with noise bounds the probability of their levels`` () =
    let levels, points = 256, 2000
    let mean, deviation, pixel = 0.4, 0.02, 100
    let y = Array.init points (fun i -> (float pixel + (float i + 0.5) / float points) / float levels)

    let output =
        GaussianOutput(
            Tensor.Filled(device, Shape(points, 1, 1), mean),
            Tensor.Filled(device, Shape 1, 2.0 * log deviation),
            levels
        )

    let density = output.LogProb(observations (tensor [| points; 1 |] y)).ToArray()
    close "log p" 1e-11 (y |> Array.map (fun y -> Normal.PDFLn(mean, deviation, y) - log (float levels))) density
    let cdf k = Normal.CDF(mean, deviation, float k / float levels)
    let probability = cdf (pixel + 1) - cdf pixel
    near 1e-8 probability (density |> Array.averageBy exp)
    holds "a lower bound" (Array.average density < log probability)
    // In two dimensions, twice as many bits to begin with.
    let two = GaussianOutput(Tensor.Filled(device, Shape(1, 1, 2), 0.5), Tensor.Filled(device, Shape 1, 0.0), 256)
    let flat = GaussianOutput(Tensor.Filled(device, Shape(1, 1, 2), 0.5), Tensor.Filled(device, Shape 1, 0.0))
    let x = observations (tensor [| 1; 2 |] [| 0.5; 0.5 |])
    near 1e-12 (2.0 * log 256.0) (flat.LogProb(x).ToDouble() - two.LogProb(x).ToDouble())
    near 1e-12 8.0 (OutputDistribution.BitsPerDimension(two.LogProb(x).ToDouble() - flat.LogProb(x).ToDouble(), 2))

[<Test>]
let ``samples have the mean and variance of their distribution`` () =
    let count = 20000
    let stream = RandomStream(6UL, RandomPurpose.ModelSampling)
    let p = 0.3
    let ones = Bernoulli(Tensor.Filled(device, Shape(1, count, 1), log (p / (1.0 - p)))).Sample(stream).ToArray()
    holds "only zeros and ones" (Array.forall (fun v -> v = 0.0 || v = 1.0) ones)
    // Four standard errors.
    near (4.0 * sqrt (p * (1.0 - p) / float count)) p (Array.average ones)

    let gaussian =
        GaussianOutput(Tensor.Filled(device, Shape(1, count, 1), 2.0), Tensor.Filled(device, Shape 1, log 0.25))

    let values = gaussian.Sample(stream).ToArray()
    near (4.0 * 0.5 / sqrt (float count)) 2.0 (Array.average values)
    near (4.0 * 0.25 * sqrt (2.0 / float count)) 0.25 (values |> Array.averageBy (fun v -> (v - 2.0) ** 2.0))

[<Test>]
let ``batches are selected with their indices`` () =
    let x = DenseObservations(tensor [| 3; 2 |] [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |], ReadOnlyMemory [| 10; 20; 30 |])
    let selected = x.Select(ReadOnlySpan [| 2; 0 |]) :?> DenseObservations
    equal [| 5.0; 6.0; 1.0; 2.0 |] (selected.Values.ToArray())
    equal [| 30; 10 |] (selected.Indices.ToArray())
    equal 2 selected.Count
    equal [| 0; 1 |] (DenseObservations(tensor [| 2; 1 |] [| 0.0; 0.0 |]).Indices.ToArray())

[<Test>]
let ``data of the wrong shape are refused`` () =
    throws<ShapeException> [ "DenseObservations"; "[3]" ] (fun () ->
        DenseObservations(tensor [| 3 |] [| 1.0; 2.0; 3.0 |]) |> ignore)

    throws<ShapeException> [ "DenseObservations"; "1"; "[2, 1]" ] (fun () ->
        DenseObservations(tensor [| 2; 1 |] [| 1.0; 2.0 |], ReadOnlyMemory [| 0 |]) |> ignore)

    let output = Bernoulli(Tensor.Filled(device, Shape(2, 3, 4), 0.0))

    throws<ShapeException> [ "do not fit data"; "[2, 3, 4]"; "[2, 5]" ] (fun () ->
        output.LogProb(observations (Tensor.Filled(device, Shape(2, 5), 0.0))) |> ignore)
